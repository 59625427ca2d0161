"""What all scripts have in common: settings in a file, one JSON object a line for each check, an end at the first failure."""

import json
import sys
import traceback
from pathlib import Path

settings = json.loads(Path(sys.argv[1]).read_text())

# The example of EIP-712, on our chain.
mail = {
    "domain": {
        "name": "Ether Mail",
        "version": "1",
        "chainId": settings.get("chain"),
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    "types": {
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}

domain_type = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


def check(name):
    """Does one check at once. What it returns is printed with it."""

    def run(function):
        try:
            found = function() or {}
        except Exception:
            print(json.dumps({"check": name, "ok": False, "error": traceback.format_exc()}), flush=True)
            sys.exit(1)
        print(json.dumps({"check": name, "ok": True, **found}), flush=True)

    return run


def must_be(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"
