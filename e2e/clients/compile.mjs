// Compiles Token.sol and prints what deploys it: `{abi, bytecode}`.

import { readFileSync } from 'node:fs';
import solc from 'solc';

const input = {
  language: 'Solidity',
  sources: { 'Token.sol': { content: readFileSync(new URL('Token.sol', import.meta.url), 'utf8') } },
  settings: {
    evmVersion: 'paris',
    optimizer: { enabled: true },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const complaint of output.errors ?? []) {
  console.error(complaint.formattedMessage);
  process.exitCode = 1;
}
if (!process.exitCode) {
  const { abi, evm } = output.contracts['Token.sol'].Token;
  console.log(JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }));
}
