//! The calls and typed data that are known, in Solidity's own words. Their sources: ERC-20, 721, 1155 and 2612; DAI; Safe
//! 1.3 and 1.4 (`Safe.sol`, `MultiSend.sol`); Uniswap's `Multicall.sol`; Multicall3; Uniswap's Permit2.

#![allow(missing_docs, reason = "generated; Solidity's names say it")]

use alloy_sol_types::sol;

sol! {
    // ERC-20 and ERC-721 share the first two selectors.
    function transferFrom(address from, address to, uint256 amountOrId);
    function approve(address spender, uint256 amountOrId);
    function transfer(address to, uint256 amount);
    function increaseAllowance(address spender, uint256 addedValue);
    function decreaseAllowance(address spender, uint256 subtractedValue);
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s);
    function setApprovalForAll(address operator, bool approved);

    interface Nft {
        function safeTransferFrom(address from, address to, uint256 id);
    }
    interface NftHook {
        function safeTransferFrom(address from, address to, uint256 id, bytes hook);
    }
    interface Multi {
        function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes hook);
        function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes hook);
    }
}

sol! {
    function execTransaction(
        address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas,
        uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures
    );
    function multiSend(bytes transactions);
    function aggregate3(Call3[] calls);
    function aggregate3Value(Call3Value[] calls);

    struct Call3 { address target; bool allowFailure; bytes callData; }
    struct Call3Value { address target; bool allowFailure; uint256 value; bytes callData; }
    struct Call2 { address target; bytes callData; }

    interface Batches {
        function multicall(bytes[] calls);
        function aggregate(Call2[] calls);
        function tryAggregate(bool requireSuccess, Call2[] calls);
    }
    interface Deadlines {
        function multicall(uint256 deadline, bytes[] calls);
    }
}

sol! {
    struct SafeTx {
        address to; uint256 value; bytes data; uint8 operation; uint256 safeTxGas; uint256 baseGas;
        uint256 gasPrice; address gasToken; address refundReceiver; uint256 nonce;
    }

    struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }

    struct PermitDetails { address token; uint160 amount; uint48 expiration; uint48 nonce; }
    struct PermitSingle { PermitDetails details; address spender; uint256 sigDeadline; }
    struct PermitBatch { PermitDetails[] details; address spender; uint256 sigDeadline; }

    struct TokenPermissions { address token; uint256 amount; }
    struct PermitTransferFrom { TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; }
    struct PermitBatchTransferFrom { TokenPermissions[] permitted; address spender; uint256 nonce; uint256 deadline; }
}

/// DAI's own permit has the name of ERC-2612's.
pub(super) mod dai {
    alloy_sol_types::sol! {
        struct Permit { address holder; address spender; uint256 nonce; uint256 expiry; bool allowed; }
        function permit(
            address holder, address spender, uint256 nonce, uint256 expiry, bool allowed, uint8 v, bytes32 r, bytes32 s
        );
    }
}
