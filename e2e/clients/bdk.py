"""BDK: a wallet that only watches our descriptor, with coin selection and fees of its own."""

import base64
import subprocess
import tempfile
from pathlib import Path

import bdkpython as bdk

from bdk_coins import AMOUNT, payment
from checks import check, must_be, settings

STRANGER = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


def signed(key, psbt):
    """Has a PSBT signed by the command."""
    with tempfile.TemporaryDirectory() as folder:
        unsigned, out = Path(folder, "unsigned.psbt"), Path(folder, "signed.psbt")
        unsigned.write_bytes(base64.b64decode(psbt.serialize()))
        keymoot = [settings["keymoot"]["program"], *settings["keymoot"]["arguments"]]
        words = ["sign", "--key", key["name"], "--psbt", unsigned, "--yes", "--out", out]
        subprocess.run([*keymoot, *words], check=True, stdout=subprocess.DEVNULL, timeout=120)
        return bdk.Psbt(out.read_text().strip())


def spend_all(key, descriptor, count):
    network = bdk.Network.BITCOIN
    watched = bdk.Descriptor(descriptor, bdk.NetworkKind.MAIN)
    wallet = bdk.Wallet.create_from_two_path_descriptor(watched, network, bdk.Persister.new_in_memory())
    coins = {}
    for number in range(count):
        script = wallet.reveal_next_address(bdk.KeychainKind.EXTERNAL).address.script_pubkey()
        paid = payment(script.to_bytes(), number)
        wallet.apply_unconfirmed_txs([bdk.UnconfirmedTx(tx=paid, last_seen=1)])
        coins[str(paid.compute_txid())] = script.to_bytes().hex()
    must_be(wallet.balance().total.to_sat(), count * AMOUNT)
    recipient = bdk.Address(STRANGER, network).script_pubkey()
    builder = bdk.TxBuilder().add_recipient(recipient, bdk.Amount.from_sat((count - 1) * AMOUNT + 50_000))
    psbt = signed(key, builder.finish(wallet))
    assert wallet.finalize_psbt(psbt), "BDK does not find the signatures complete"
    transaction = psbt.extract_tx()
    spent = [{"script": coins[str(one.previous_output.txid)], "amount": AMOUNT} for one in transaction.input()]
    must_be(len(spent), count)
    return {"spend": {"transaction": bytes(transaction.serialize()).hex(), "coins": spent}}


def of(key, form):
    return next(one for one in key["descriptors"] if one.startswith(form))


ecdsa, taproot = settings["keys"]["ecdsa"], settings["keys"]["taproot"]
check("spends P2WPKH")(lambda: spend_all(ecdsa, of(ecdsa, "wpkh("), 3))
check("spends P2WPKH in P2SH")(lambda: spend_all(ecdsa, of(ecdsa, "sh(wpkh("), 2))
check("spends P2TR")(lambda: spend_all(taproot, of(taproot, "tr("), 2))
