"""solders: builds messages of Solana, and verifies the transactions that come back."""

import base64
import subprocess
import tempfile
from pathlib import Path

from solders.hash import Hash
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction, VersionedTransaction

from checks import check, must_be, settings

key = settings["keys"]["solana"]
own = Pubkey.from_string(key["address"])
stranger = Pubkey(bytes(range(32)))
blockhash = Hash(bytes([7]) * 32)
pay = transfer(TransferParams(from_pubkey=own, to_pubkey=stranger, lamports=1_000_000))


def signed(message):
    """Has a message signed by the command, and returns the bytes of the transaction."""
    with tempfile.TemporaryDirectory() as folder:
        unsigned, out = Path(folder, "message"), Path(folder, "transaction")
        unsigned.write_bytes(message)
        keymoot = [settings["keymoot"]["program"], *settings["keymoot"]["arguments"]]
        words = ["sign", "--key", key["name"], "--sol-tx", unsigned, "--yes", "--out", out]
        subprocess.run([*keymoot, *words], check=True, stdout=subprocess.DEVNULL, timeout=120)
        return base64.b64decode(out.read_text())


@check("transfers with a legacy message")
def _():
    message = Message.new_with_blockhash([pay], own, blockhash)
    raw = signed(bytes(message))
    transaction = Transaction.from_bytes(raw)
    transaction.verify()
    must_be(transaction.message, message)
    must_be(bytes(transaction), raw)


@check("transfers with a message of version 0")
def _():
    message = MessageV0.try_compile(own, [pay], [], blockhash)
    raw = signed(to_bytes_versioned(message))
    transaction = VersionedTransaction.from_bytes(raw)
    must_be(transaction.verify_with_results(), [True])
    must_be(transaction.message, message)
    must_be(bytes(transaction), raw)
