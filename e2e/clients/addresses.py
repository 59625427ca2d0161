"""The addresses of 1,000 paths for each form of Bitcoin, worked out by BDK from descriptors.

The settings are rows with form, xpub, path and address; rows that differ fail the check.
"""

import bdkpython as bdk

from checks import check, must_be, settings

FORMS = {"p2wpkh": "wpkh({})", "p2sh": "sh(wpkh({}))", "p2tr": "tr({})"}


def address(row):
    steps = row["path"].removeprefix("m")
    descriptor = bdk.Descriptor(FORMS[row["form"]].format(row["xpub"] + steps), bdk.NetworkKind.MAIN)
    return str(descriptor.derive_address(0, bdk.Network.BITCOIN))


def agrees(form):
    rows = [row for row in settings["rows"] if row["form"] == form]
    must_be(len(rows), 1000)
    must_be([row for row in rows if address(row) != row["address"]], [])


for form in FORMS:
    check(f"BDK agrees on {form}")(lambda: agrees(form))
