"""Coins for BDK's wallets to spend."""

import bdkpython as bdk

AMOUNT = 100_000


def payment(script, number):
    """A transaction that pays us, in the wire format."""
    before = bytes([number + 1]) * 32 + bytes(4) + b"\x00" + b"\xff" * 4
    coin = AMOUNT.to_bytes(8, "little") + bytes([len(script)]) + script
    return bdk.Transaction((2).to_bytes(4, "little") + b"\x01" + before + b"\x01" + coin + bytes(4))
