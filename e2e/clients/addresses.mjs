// The addresses of 1,000 paths for each form, worked out from the extended public key by each library on its own.
// The settings are rows `{form, xpub, path, address}`; the first that differs fails the check.

import assert from 'node:assert/strict';
import * as ecc from '@bitcoinerlab/secp256k1';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { HDKey } from '@scure/bip32';
import * as btc from '@scure/btc-signer';
import { BIP32Factory } from 'bip32';
import * as bitcoin from 'bitcoinjs-lib';
import { HDNodeWallet } from 'ethers';
import { HDKey as ViemKey, publicKeyToAddress } from 'viem/accounts';
import { bytesToHex } from 'viem';
import { check, settings } from './checks.mjs';

bitcoin.initEccLib(ecc);
const bip32 = BIP32Factory(ecc);
// A path of no steps is the key itself.
const below = (path) => path.replace(/^m\/?/, '');
/** The forms have the same keys, and each library derives a key once. */
function remembering(derive) {
  const known = new Map();
  return ({ xpub, path }) => {
    const name = `${xpub} ${path}`;
    if (!known.has(name)) known.set(name, derive(xpub, path));
    return known.get(name);
  };
}
const scureKey = remembering((xpub, path) => HDKey.fromExtendedKey(xpub).derive(path).publicKey);
const bitcoinjsKey = remembering((xpub, path) => {
  const root = bip32.fromBase58(xpub);
  return (below(path) ? root.derivePath(below(path)) : root).publicKey;
});
const { payments } = bitcoin;

const libraries = {
  viem: {
    evm: ({ xpub, path }) => {
      const { publicKey } = ViemKey.fromExtendedKey(xpub).derive(path);
      return publicKeyToAddress(bytesToHex(secp256k1.Point.fromBytes(publicKey).toBytes(false)));
    },
  },
  ethers: {
    evm: ({ xpub, path }) => {
      const root = HDNodeWallet.fromExtendedKey(xpub);
      return (below(path) ? root.derivePath(below(path)) : root).address;
    },
  },
  bitcoinjs: {
    p2wpkh: (row) => payments.p2wpkh({ pubkey: bitcoinjsKey(row) }).address,
    p2sh: (row) => payments.p2sh({ redeem: payments.p2wpkh({ pubkey: bitcoinjsKey(row) }) }).address,
    p2tr: (row) => payments.p2tr({ internalPubkey: bitcoinjsKey(row).subarray(1) }).address,
  },
  scure: {
    p2wpkh: (row) => btc.p2wpkh(scureKey(row)).address,
    p2sh: (row) => btc.p2sh(btc.p2wpkh(scureKey(row))).address,
    p2tr: (row) => btc.p2tr(scureKey(row).subarray(1)).address,
  },
};

for (const [library, forms] of Object.entries(libraries)) {
  for (const [form, address] of Object.entries(forms)) {
    await check(`${library} agrees on ${form}`, () => {
      const rows = settings.rows.filter((row) => row.form === form);
      assert.equal(rows.length, 1000);
      const others = rows.map((row) => ({ ...row, theirs: address(row) })).filter((row) => row.theirs !== row.address);
      assert.deepEqual(others, []);
    });
  }
}
