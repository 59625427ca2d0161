// viem against the signer inside `keymoot up`, at the path /eth: no second process, no token.

import assert from 'node:assert/strict';
import { createPublicClient, createWalletClient, defineChain, http, parseEther, recoverTypedDataAddress } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { check, mail, mustRefuse, settings } from './checks.mjs';

const chain = defineChain({
  id: settings.chain,
  name: 'anvil',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [settings.signer] } },
});
const patient = { retryCount: 0, timeout: 120_000 };
const { account } = settings;
const wallet = createWalletClient({ account, chain, transport: http(settings.signer, patient) });
const node = createPublicClient({ chain, transport: http(settings.node, patient), pollingInterval: 50 });
const stranger = privateKeyToAccount(generatePrivateKey());

await check('finds the account and the chain', async () => {
  assert.ok(settings.signer.endsWith('/eth'));
  assert.deepEqual(await wallet.getAddresses(), [account]);
  assert.equal(await wallet.getChainId(), settings.chain);
});

await check('sends ether', async () => {
  const sent = [1n, 2n, 3n].map((value) => wallet.sendTransaction({ to: stranger.address, value: parseEther('0.1') + value }));
  for (const hash of await Promise.all(sent)) {
    const receipt = await node.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, 'success');
    assert.equal(receipt.from.toLowerCase(), account.toLowerCase());
  }
  assert.equal(await node.getBalance({ address: stranger.address }), parseEther('0.3') + 6n);
});

await check('signs typed data', async () => {
  const signature = await wallet.signTypedData(mail);
  assert.equal(await recoverTypedDataAddress({ ...mail, signature }), account);
});

await check('is told that an account is not here', () =>
  mustRefuse(4100, wallet.sendTransaction({ account: stranger.address, to: account, value: 1n, chain })),
);
