// What all scripts have in common: settings in a file, one JSON object a line for each check, an end at the first failure.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** Where everything is, as the harness has written it. */
export const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

/** The example of EIP-712, on our chain. Libraries differ in whether they want the domain's type; this is without. */
export const mail = {
  domain: {
    name: 'Ether Mail',
    version: '1',
    chainId: settings.chain,
    verifyingContract: '0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC',
  },
  types: {
    Person: [
      { name: 'name', type: 'string' },
      { name: 'wallet', type: 'address' },
    ],
    Mail: [
      { name: 'from', type: 'Person' },
      { name: 'to', type: 'Person' },
      { name: 'contents', type: 'string' },
    ],
  },
  primaryType: 'Mail',
  message: {
    from: { name: 'Cow', wallet: '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826' },
    to: { name: 'Bob', wallet: '0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB' },
    contents: 'Hello, Bob!',
  },
};

/** What the domain of `mail` is made of, for those that want it said. */
export const domainType = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
];

const say = (line) => console.log(JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? `${value}` : value)));

/** Does one check. What `run` returns is printed with it. */
export async function check(name, run) {
  try {
    say({ check: name, ok: true, ...(await run()) });
  } catch (error) {
    say({ check: name, ok: false, error: `${error?.stack ?? error}` });
    process.exit(1);
  }
}

/** The code in an error, however deep the client has wrapped it. */
export function codeIn(error) {
  for (let at = error, depth = 0; at && depth < 8; depth += 1) {
    if (typeof at.code === 'number') return at.code;
    at = at.error ?? at.info?.error ?? at.cause;
  }
  throw new Error('an error without a code', { cause: error });
}

/** Demands that something is refused with this code. */
export async function mustRefuse(code, promise) {
  let outcome;
  try {
    outcome = await promise;
  } catch (error) {
    assert.equal(codeIn(error), code, `refused, but with another code: ${error.message}`);
    return;
  }
  assert.fail(`not refused: ${JSON.stringify(outcome)}`);
}
