"""`keymoot hwi`, called as Bitcoin Core calls its external signer, and BDK as the wallet that Bitcoin Core would be.

The command lines are those of Bitcoin Core's `src/external_signer.cpp`; the answers go to BDK as they are.
"""

import json
import shlex
import subprocess

import bdkpython as bdk

from bdk_coins import AMOUNT, payment
from checks import check, must_be, settings

STRANGER = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
NETWORK = bdk.Network.REGTEST


class Signer:
    """A line `signer=` of a configuration."""

    def __init__(self, name):
        keymoot = settings["keymoot"]
        self.command = shlex.join([keymoot["program"], *keymoot["arguments"], "hwi", "--key", name])

    def run(self, rest, stdin=""):
        words = shlex.split(f"{self.command} {rest}")
        ran = subprocess.run(words, input=stdin, capture_output=True, text=True, check=True, timeout=120)
        (line,) = ran.stdout.splitlines()
        return json.loads(line)

    def enumerate(self):
        (only,) = self.run("enumerate")
        self.fingerprint = only["fingerprint"]
        assert len(self.fingerprint) == 8 and only["model"], only

    def asked(self, rest, chain="regtest"):
        return self.run(f'--fingerprint "{self.fingerprint}" --chain {chain} {rest}')

    def descriptors(self):
        return self.asked("getdescriptors --account 0")

    def displayed(self, descriptor):
        words = f"--fingerprint {self.fingerprint} --chain regtest displayaddress --desc {shlex.quote(descriptor)}"
        return self.run(words)["address"]

    def signed(self, psbt):
        answer = self.run(
            f'--stdin --fingerprint "{self.fingerprint}" --chain regtest', f'signtx "{psbt.serialize()}"'
        )
        assert "psbt" in answer, answer
        return bdk.Psbt(answer["psbt"])


def signer(name):
    found = Signer(name)
    found.enumerate()
    return found


def spend_all(name, form, count):
    core = signer(name)
    listed = core.descriptors()
    receive, internal = (
        next(text for text in listed[side] if text.startswith(form)) for side in ("receive", "internal")
    )
    watched = [bdk.Descriptor(text, bdk.NetworkKind.TEST) for text in (receive, internal)]
    wallet = bdk.Wallet(*watched, NETWORK, bdk.Persister.new_in_memory())
    coins = {}
    for number in range(count):
        address = wallet.reveal_next_address(bdk.KeychainKind.EXTERNAL).address
        ranged, _ = receive.split("#")
        must_be(core.displayed(ranged.replace("*", str(number))), str(address))
        script = address.script_pubkey()
        paid = payment(script.to_bytes(), number)
        wallet.apply_unconfirmed_txs([bdk.UnconfirmedTx(tx=paid, last_seen=1)])
        coins[str(paid.compute_txid())] = script.to_bytes().hex()
    must_be(wallet.balance().total.to_sat(), count * AMOUNT)
    recipient = bdk.Address(STRANGER, NETWORK).script_pubkey()
    builder = bdk.TxBuilder().add_recipient(recipient, bdk.Amount.from_sat((count - 1) * AMOUNT + 50_000))
    psbt = core.signed(builder.finish(wallet))
    assert wallet.finalize_psbt(psbt), "BDK does not find the signatures complete"
    transaction = psbt.extract_tx()
    spent = [{"script": coins[str(one.previous_output.txid)], "amount": AMOUNT} for one in transaction.input()]
    must_be(len(spent), count)
    return {"spend": {"transaction": bytes(transaction.serialize()).hex(), "coins": spent}}


def another_network():
    core = signer("hot")
    for chain in ("main", "test", "signet"):
        refused = core.asked("getdescriptors --account 0", chain)
        assert refused["error"].startswith("E2704"), refused
    # Nor does a wallet for another network take what is for this one.
    try:
        bdk.Descriptor(core.descriptors()["receive"][0], bdk.NetworkKind.MAIN)
    except Exception:
        return
    raise AssertionError("BDK takes a descriptor for regtest on mainnet")


check("spends P2WPKH")(lambda: spend_all("hot", "wpkh(", 3))
check("spends P2WPKH in P2SH")(lambda: spend_all("hot", "sh(wpkh(", 2))
check("spends P2TR")(lambda: spend_all("cold", "tr(", 2))
check("is told that a network is another")(another_network)
