// cast: the command line of Foundry, told that the node has the account.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { check, domainType, mail, settings } from './checks.mjs';

const { account, token } = settings;
const run = promisify(execFile);
const stranger = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';

/** Runs cast to its end and returns what it printed. */
async function cast(...words) {
  const { stdout } = await run(settings.cast, words, { timeout: 60_000 });
  return stdout.trim();
}

const at = (url) => ['--rpc-url', url];
const from = [...at(settings.signer), '--unlocked', '--from', account, '--json'];
const rpc = async (method, ...params) =>
  JSON.parse(await cast('rpc', ...at(settings.signer), method, ...params.map((one) => JSON.stringify(one))));

function mined(printed) {
  const receipt = JSON.parse(printed);
  assert.equal(BigInt(receipt.status), 1n);
  assert.equal(receipt.from.toLowerCase(), account.toLowerCase());
  return receipt;
}

await check('sends ether', async () => {
  const before = BigInt(await cast('balance', ...at(settings.node), stranger));
  mined(await cast('send', ...from, stranger, '--value', '11wei'));
  assert.equal(BigInt(await cast('balance', ...at(settings.node), stranger)) - before, 11n);
});

let contract;
await check('deploys a contract', async () => {
  const words = ['--create', token.bytecode, 'constructor(uint256)', '1000000'];
  contract = mined(await cast('send', ...from, ...words)).contractAddress;
  assert.notEqual(await cast('code', ...at(settings.node), contract), '0x');
});

await check('moves tokens', async () => {
  mined(await cast('send', ...from, contract, 'transfer(address,uint256)', stranger, '55'));
  const call = ['call', ...at(settings.node), contract, 'balanceOf(address)(uint256)', stranger];
  assert.equal(await cast(...call), '55');
});

await check('signs messages', async () => {
  const signature = await rpc('personal_sign', `0x${Buffer.from('hello').toString('hex')}`, account);
  await cast('wallet', 'verify', '--address', account, 'hello', signature);
  await assert.rejects(cast('wallet', 'verify', '--address', account, 'hullo', signature));
});

await check('signs typed data', async () => {
  const document = { ...mail, types: { EIP712Domain: domainType, ...mail.types } };
  const signature = await rpc('eth_signTypedData_v4', account, document);
  await cast('wallet', 'verify', '--data', '--address', account, JSON.stringify(document), signature);
});

await check('is told that an account is not here', async () => {
  const strange = ['send', ...at(settings.signer), '--unlocked', '--from', stranger, account, '--value', '1'];
  await assert.rejects(cast(...strange), /4100/);
});
