// viem: a wallet client whose account is only an address, so that every signature is asked of the signer.

import assert from 'node:assert/strict';
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  parseEther,
  recoverMessageAddress,
  recoverTransactionAddress,
  recoverTypedDataAddress,
  toHex,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { check, mail, mustRefuse, settings } from './checks.mjs';

const { account, token } = settings;
const chain = defineChain({
  id: settings.chain,
  name: 'anvil',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [settings.signer] } },
});
const patient = { retryCount: 0, timeout: 120_000 };
const wallet = createWalletClient({ account, chain, transport: http(settings.signer, patient) });
// The same calls through the signer, and what the node itself says.
const through = createPublicClient({ chain, transport: http(settings.signer, patient), pollingInterval: 50 });
const node = createPublicClient({ chain, transport: http(settings.node, patient), pollingInterval: 50 });
const stranger = privateKeyToAccount(generatePrivateKey());
const mined = async (hash) => {
  const receipt = await through.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, 'success');
  assert.equal(receipt.from.toLowerCase(), account.toLowerCase());
  return receipt;
};

await check('lists the account', async () => {
  assert.deepEqual(await wallet.getAddresses(), [account]);
});

await check('sends ether', async () => {
  await mined(await wallet.sendTransaction({ to: stranger.address, value: parseEther('0.5') }));
  assert.equal(await node.getBalance({ address: stranger.address }), parseEther('0.5'));
});

await check('sends transactions of every type', async () => {
  const gasPrice = await through.getGasPrice();
  const accessList = [{ address: stranger.address, storageKeys: [toHex(7, { size: 32 })] }];
  for (const [type, fields] of [
    ['legacy', { gasPrice }],
    ['eip2930', { gasPrice, accessList }],
    ['eip1559', { accessList }],
  ]) {
    const hash = await wallet.sendTransaction({ type, to: stranger.address, value: 1n, ...fields });
    await mined(hash);
    assert.equal((await node.getTransaction({ hash })).type, type);
  }
});

await check('carries an authorisation of EIP-7702', async () => {
  const contractAddress = '0x1111111111111111111111111111111111111111';
  const authorization = await stranger.signAuthorization({ contractAddress, chainId: settings.chain, nonce: 0 });
  const hash = await wallet.sendTransaction({ to: account, authorizationList: [authorization] });
  await mined(hash);
  assert.equal((await node.getTransaction({ hash })).type, 'eip7702');
  assert.equal(await node.getCode({ address: stranger.address }), `0xef0100${contractAddress.slice(2)}`);
});

await check('signs a transaction without sending it', async () => {
  const request = await wallet.prepareTransactionRequest({ to: stranger.address, value: 2n });
  const serializedTransaction = await wallet.signTransaction(request);
  assert.equal(await recoverTransactionAddress({ serializedTransaction }), account);
  await mined(await through.sendRawTransaction({ serializedTransaction }));
});

let contract;
await check('deploys a contract', async () => {
  const hash = await wallet.deployContract({ ...token, args: [1_000_000n] });
  contract = { address: (await mined(hash)).contractAddress, abi: token.abi };
  assert.ok((await node.getCode(contract)).length > 2);
});

await check('moves tokens', async () => {
  const call = { ...contract, functionName: 'transfer', args: [stranger.address, 1234n] };
  await mined(await wallet.writeContract(call));
  const balance = { ...contract, functionName: 'balanceOf' };
  assert.equal(await node.readContract({ ...balance, args: [stranger.address] }), 1234n);
  assert.equal(await node.readContract({ ...balance, args: [account] }), 998_766n);
});

await check('signs typed data', async () => {
  const signature = await wallet.signTypedData(mail);
  assert.equal(await recoverTypedDataAddress({ ...mail, signature }), account);
});

await check('signs messages', async () => {
  for (const message of ['hello', 'día 日', { raw: '0x00ff' }]) {
    const signature = await wallet.signMessage({ message });
    assert.equal(await recoverMessageAddress({ message, signature }), account);
  }
});

await check('is told that an account is not here', async () => {
  await mustRefuse(4100, wallet.sendTransaction({ account: stranger.address, to: account, value: 1n }));
  await mustRefuse(4100, wallet.signMessage({ account: stranger.address, message: 'hello' }));
});

const raw = (method, ...params) => wallet.request({ method, params }, { retryCount: 0 });

await check('is told that a chain is another', async () => {
  const before = await node.getTransactionCount({ address: account });
  await mustRefuse(-32602, raw('eth_sendTransaction', { from: account, to: account, value: '0x1', chainId: '0x1' }));
  assert.equal(await node.getTransactionCount({ address: account }), before);
});

await check('is told that a method is not served', async () => {
  for (const method of ['eth_noSuchMethod', 'anvil_mine', 'personal_unlockAccount']) {
    await mustRefuse(-32601, raw(method));
  }
});

await check('gets the same hash for the same transaction', async () => {
  const nonce = toHex(await node.getTransactionCount({ address: account }));
  const fees = { gas: '0x5208', maxFeePerGas: toHex(10n ** 10n), maxPriorityFeePerGas: toHex(10n ** 9n) };
  const same = { from: account, to: stranger.address, value: '0x3', nonce, ...fees };
  const first = await raw('eth_sendTransaction', same);
  await mined(first);
  assert.equal(await raw('eth_sendTransaction', same), first);
});

await check('sends 200 at once', async () => {
  const count = 200;
  const first = await node.getTransactionCount({ address: account });
  const begun = performance.now();
  const all = Array.from({ length: count }, () =>
    raw('eth_sendTransaction', { from: account, to: stranger.address, value: '0x1' }),
  );
  const hashes = await Promise.all(all);
  const milliseconds = Math.round(performance.now() - begun);
  assert.equal(new Set(hashes).size, count, 'two transactions are one');
  await Promise.all(hashes.map(mined));
  const sent = await Promise.all(hashes.map((hash) => node.getTransaction({ hash })));
  const nonces = sent.map(({ nonce }) => nonce).sort((a, b) => a - b);
  assert.deepEqual(nonces, Array.from({ length: count }, (_, place) => first + place));
  assert.equal(await node.getTransactionCount({ address: account }), first + count);
  return { count: `200 transactions sent at once by viem were mined, in ${milliseconds} ms` };
});
