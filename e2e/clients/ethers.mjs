// ethers: a signer of a JSON-RPC provider, which sends what it can in batches.

import assert from 'node:assert/strict';
import { Contract, ContractFactory, JsonRpcProvider, Wallet, verifyMessage, verifyTypedData } from 'ethers';
import { check, mail, mustRefuse, settings } from './checks.mjs';

const { account, token } = settings;
const quick = { pollingInterval: 50 };
const provider = new JsonRpcProvider(settings.signer, undefined, quick);
const node = new JsonRpcProvider(settings.node, undefined, quick);
const stranger = Wallet.createRandom().address;
const { Mail, Person } = mail.types;
const types = { Mail, Person };
let signer;

const mined = async (sent) => {
  const receipt = await sent.wait();
  assert.deepEqual([receipt.status, receipt.from], [1, account]);
  return receipt;
};

await check('finds the account', async () => {
  signer = await provider.getSigner();
  assert.equal(signer.address, account);
});

await check('sends ether', async () => {
  await mined(await signer.sendTransaction({ to: stranger, value: 5n }));
  assert.equal(await node.getBalance(stranger), 5n);
});

let contract;
await check('deploys a contract', async () => {
  const deployed = await new ContractFactory(token.abi, token.bytecode, signer).deploy(1_000_000n);
  await deployed.waitForDeployment();
  contract = new Contract(await deployed.getAddress(), token.abi, signer);
  assert.notEqual(await node.getCode(contract.target), '0x');
});

await check('moves tokens', async () => {
  await mined(await contract.transfer(stranger, 77n));
  assert.equal(await contract.connect(node).balanceOf(stranger), 77n);
});

await check('signs typed data', async () => {
  const signature = await signer.signTypedData(mail.domain, types, mail.message);
  assert.equal(verifyTypedData(mail.domain, types, mail.message, signature), account);
});

await check('signs messages', async () => {
  for (const message of ['hello', new Uint8Array([0, 255])]) {
    assert.equal(verifyMessage(message, await signer.signMessage(message)), account);
  }
  // eth_sign, the older name.
  assert.equal(verifyMessage('hello', await signer._legacySignMessage('hello')), account);
});

await check('asks in batches', async () => {
  const sizes = [];
  await provider.on('debug', ({ action, payload }) => {
    if (action === 'sendRpcPayload') sizes.push(Array.isArray(payload) ? payload.length : 1);
  });
  const asked = Array.from({ length: 60 }, (_, place) =>
    place % 6 ? provider.getTransactionCount(account, 0) : signer.signMessage(`message ${place}`),
  );
  const answers = await Promise.all(asked);
  await provider.off('debug');
  assert.ok(Math.max(...sizes) >= 10, `batches were of ${sizes}`);
  answers.forEach((answer, place) =>
    place % 6
      ? assert.equal(answer, 0)
      : assert.equal(verifyMessage(`message ${place}`, answer), account, 'the answers are not in order'),
  );
});

await check('is told that an account is not here', async () => {
  await mustRefuse(4100, provider.send('eth_sendTransaction', [{ from: stranger, to: account, value: '0x1' }]));
  await mustRefuse(4100, provider.send('personal_sign', ['0x00', stranger]));
});

await check('is told that a chain is another', async () => {
  const wrong = { from: account, to: account, value: '0x1', chainId: '0x1' };
  await mustRefuse(-32602, provider.send('eth_sendTransaction', [wrong]));
});

provider.destroy();
node.destroy();
