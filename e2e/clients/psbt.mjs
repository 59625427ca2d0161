// What the Bitcoin scripts have in common: coins that are spent, and a PSBT that goes to the signer as a file.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settings } from './checks.mjs';

/** Somebody else: BIP-173's example. */
export const stranger = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';

/** Has a PSBT signed by the command, and returns it with signatures in it. */
export function signed(key, psbt) {
  const folder = mkdtempSync(join(tmpdir(), 'psbt-'));
  const [from, to] = ['unsigned.psbt', 'signed.psbt'].map((name) => join(folder, name));
  writeFileSync(from, psbt);
  const words = ['sign', '--key', key.name, '--psbt', from, '--yes', '--out', to];
  execFileSync(settings.keymoot.program, [...settings.keymoot.arguments, ...words], { timeout: 120_000 });
  return Buffer.from(readFileSync(to, 'utf8'), 'base64');
}

/** What the harness needs to run Bitcoin's consensus code on a spend. */
export const spend = (transaction, coins) => ({
  spend: {
    transaction,
    coins: coins.map(({ script, amount }) => ({ script: Buffer.from(script).toString('hex'), amount: Number(amount) })),
  },
});
