"""web3.py: accounts of the node, and eth-account to recover who signed."""

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError

from checks import check, domain_type, mail, must_be, settings

account, token = settings["account"], settings["token"]
w3 = Web3(HTTPProvider(settings["signer"], request_kwargs={"timeout": 60}))
node = Web3(HTTPProvider(settings["node"]))
stranger = Account.create().address


def mined(sent):
    receipt = w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.05)
    must_be(receipt["status"], 1)
    must_be(receipt["from"], account)
    return receipt


def must_refuse(code, call):
    try:
        answer = call()
    except Web3RPCError as error:
        must_be(error.rpc_response["error"]["code"], code)
        return
    raise AssertionError(f"not refused: {answer}")


@check("lists the account")
def _():
    must_be(w3.eth.accounts, [account])
    must_be(w3.eth.chain_id, settings["chain"])


@check("sends ether")
def _():
    mined(w3.eth.send_transaction({"from": account, "to": stranger, "value": 9}))
    must_be(node.eth.get_balance(stranger), 9)


contract = {}


@check("deploys a contract")
def _():
    factory = w3.eth.contract(abi=token["abi"], bytecode=token["bytecode"])
    receipt = mined(factory.constructor(1_000_000).transact({"from": account}))
    contract["address"] = receipt["contractAddress"]
    assert node.eth.get_code(contract["address"])


@check("moves tokens")
def _():
    deployed = w3.eth.contract(abi=token["abi"], **contract)
    mined(deployed.functions.transfer(stranger, 41).transact({"from": account}))
    there = node.eth.contract(abi=token["abi"], **contract)
    must_be(there.functions.balanceOf(stranger).call(), 41)


@check("signs typed data")
def _():
    document = {**mail, "types": {"EIP712Domain": domain_type, **mail["types"]}}
    signature = w3.eth.sign_typed_data(account, document)
    signed = encode_typed_data(full_message=document)
    must_be(Account.recover_message(signed, signature=signature), account)


@check("signs messages")
def _():
    signature = w3.eth.sign(account, text="hello")
    must_be(Account.recover_message(encode_defunct(text="hello"), signature=signature), account)


@check("signs a transaction without sending it")
def _():
    plain = {
        "from": account,
        "to": stranger,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "nonce": node.eth.get_transaction_count(account),
        "chainId": settings["chain"],
    }
    hexed = {name: hex(value) if isinstance(value, int) else value for name, value in plain.items()}
    # The method of web3.py wants the node's own shape; the signer's default is the one of most others.
    raw = w3.manager.request_blocking("eth_signTransaction", [hexed])
    must_be(Account.recover_transaction(raw), account)
    mined(w3.eth.send_raw_transaction(raw))


@check("is told that an account is not here")
def _():
    must_refuse(4100, lambda: w3.eth.send_transaction({"from": stranger, "to": account, "value": 1, "gas": 21_000}))
    must_refuse(4100, lambda: w3.eth.sign(stranger, text="hello"))


@check("is told that a chain is another")
def _():
    # web3.py looks at the chain id itself, unless it is asked to pass on what it gets.
    wrong = {"from": account, "to": account, "value": "0x1", "chainId": "0x1"}
    must_be(w3.provider.make_request("eth_sendTransaction", [wrong])["error"]["code"], -32602)
