// @scure/btc-signer: the same with another library, and PSBTs of version 2 (BIP-370).

import assert from 'node:assert/strict';
import { HDKey } from '@scure/bip32';
import * as btc from '@scure/btc-signer';
import { check, settings } from './checks.mjs';
import { signed, spend, stranger } from './psbt.mjs';

const forms = {
  p2wpkh: (publicKey) => btc.p2wpkh(publicKey),
  p2sh: (publicKey) => btc.p2sh(btc.p2wpkh(publicKey)),
  p2tr: (publicKey) => btc.p2tr(publicKey.subarray(1)),
};

function origin(form, root, publicKey, path) {
  const source = { fingerprint: root.fingerprint, path };
  if (form !== 'p2tr') return { bip32Derivation: [[publicKey, source]] };
  return { tapBip32Derivation: [[publicKey.subarray(1), { hashes: [], der: source }]] };
}

function previous(number, script) {
  const made = new btc.Transaction({ allowUnknownOutputs: true });
  made.addInput({ txid: new Uint8Array(32).fill(number + 1), index: 0, finalScriptSig: new Uint8Array() });
  made.addOutputAddress(stranger, 1n);
  made.addOutput({ script, amount: 100_000n });
  return made.toBytes(true, true);
}

function spendAll(key, inputs, version) {
  const root = HDKey.fromExtendedKey(key.xpub);
  const made = new btc.Transaction({ PSBTVersion: version });
  const coins = inputs.map((form, number) => {
    const path = [0, number * 5];
    const { publicKey } = root.derive(`m/${path.join('/')}`);
    const payment = forms[form](publicKey);
    const nonWitnessUtxo = previous(number, payment.script);
    const before = btc.Transaction.fromRaw(nonWitnessUtxo, { allowUnknownOutputs: true, disableScriptCheck: true });
    made.addInput({
      ...payment,
      txid: before.id,
      index: 1,
      nonWitnessUtxo,
      witnessUtxo: { script: payment.script, amount: 100_000n },
      ...origin(form, root, publicKey, path),
    });
    return { script: payment.script, amount: 100_000 };
  });
  const { publicKey } = root.derive('m/1/9');
  made.addOutputAddress(stranger, 60_000n);
  made.addOutput({
    ...forms[inputs[0]](publicKey),
    amount: BigInt(coins.length) * 100_000n - 61_000n,
    ...origin(inputs[0], root, publicKey, [1, 9]),
  });
  const back = btc.Transaction.fromPSBT(signed(key, made.toPSBT(version)));
  back.finalize();
  assert.ok(back.isFinal);
  return spend(back.hex, coins);
}

for (const version of [0, 2]) {
  await check(`spends P2WPKH, PSBT version ${version}`, () => spendAll(settings.keys.ecdsa, ['p2wpkh', 'p2wpkh'], version));
  await check(`spends P2WPKH in P2SH, PSBT version ${version}`, () => spendAll(settings.keys.ecdsa, ['p2sh', 'p2wpkh'], version));
  await check(`spends P2TR, PSBT version ${version}`, () => spendAll(settings.keys.taproot, ['p2tr', 'p2tr'], version));
}
