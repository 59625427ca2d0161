// bitcoinjs-lib: builds a PSBT from our extended public key, checks the signatures that come back, finalises, extracts.

import assert from 'node:assert/strict';
import * as ecc from '@bitcoinerlab/secp256k1';
import { BIP32Factory } from 'bip32';
import * as bitcoin from 'bitcoinjs-lib';
import { check, settings } from './checks.mjs';
import { signed, spend, stranger } from './psbt.mjs';

bitcoin.initEccLib(ecc);
const bip32 = BIP32Factory(ecc);

const forms = {
  p2wpkh: ({ publicKey }) => bitcoin.payments.p2wpkh({ pubkey: publicKey }),
  p2sh: ({ publicKey }) => bitcoin.payments.p2sh({ redeem: bitcoin.payments.p2wpkh({ pubkey: publicKey }) }),
  p2tr: ({ publicKey }) => bitcoin.payments.p2tr({ internalPubkey: publicKey.subarray(1) }),
};

/** What a PSBT says of a key of ours: BIP-174, and BIP-371 for Taproot. */
function origin(form, root, child, path) {
  const where = { masterFingerprint: root.fingerprint, path: `m/${path}` };
  if (form !== 'p2tr') return { bip32Derivation: [{ ...where, pubkey: child.publicKey }] };
  const pubkey = child.publicKey.subarray(1);
  return { tapInternalKey: pubkey, tapBip32Derivation: [{ ...where, pubkey, leafHashes: [] }] };
}

/** A transaction that pays us 100,000 satoshis, in its second output. */
function previous(number, script) {
  const made = new bitcoin.Transaction();
  made.addInput(new Uint8Array(32).fill(number + 1), 0);
  made.addOutput(bitcoin.address.toOutputScript(stranger), 1n);
  made.addOutput(script, 100_000n);
  return made;
}

/** Spends one coin in each of these forms, with change back to us, and returns the transaction with its coins. */
function spendAll(key, inputs) {
  const root = bip32.fromBase58(key.xpub);
  assert.equal(Buffer.from(root.fingerprint).toString('hex'), key.fingerprint);
  const psbt = new bitcoin.Psbt();
  const coins = inputs.map((form, number) => {
    const path = `0/${number * 7}`;
    const child = root.derivePath(path);
    const { output, redeem } = forms[form](child);
    const before = previous(number, output);
    psbt.addInput({
      hash: before.getId(),
      index: 1,
      nonWitnessUtxo: before.toBuffer(),
      witnessUtxo: { script: output, value: 100_000n },
      ...(redeem && { redeemScript: redeem.output }),
      ...origin(form, root, child, path),
    });
    return { script: output, amount: 100_000 };
  });
  const change = root.derivePath('1/3');
  psbt.addOutput({ address: stranger, value: 60_000n });
  psbt.addOutput({
    script: forms[inputs[0]](change).output,
    value: BigInt(coins.length) * 100_000n - 61_000n,
    ...origin(inputs[0], root, change, '1/3'),
  });
  const back = bitcoin.Psbt.fromBuffer(signed(key, psbt.toBuffer()));
  const isValid = (publicKey, digest, signature) =>
    publicKey.length === 32
      ? ecc.verifySchnorr(digest, publicKey, signature)
      : ecc.verify(digest, publicKey, signature);
  assert.ok(back.validateSignaturesOfAllInputs(isValid));
  back.finalizeAllInputs();
  return spend(back.extractTransaction().toHex(), coins);
}

await check('spends P2WPKH', () => spendAll(settings.keys.ecdsa, ['p2wpkh', 'p2wpkh', 'p2wpkh']));
await check('spends P2WPKH in P2SH', () => spendAll(settings.keys.ecdsa, ['p2wpkh', 'p2sh']));
await check('spends P2TR', () => spendAll(settings.keys.taproot, ['p2tr', 'p2tr']));
