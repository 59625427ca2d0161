//! Which methods go to the node behind. A list of what is passed on and not of what is refused: a node may have methods
//! that nobody here has heard of, and some nodes sign with keys of their own, or do what their caller says.

/// Methods that read, and the one that carries transactions which are signed already.
const PASSED: &[&str] = &[
    "eth_blobBaseFee",
    "eth_blockNumber",
    "eth_call",
    "eth_config",
    "eth_createAccessList",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "eth_getBlockTransactionCountByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getCode",
    "eth_getFilterChanges",
    "eth_getFilterLogs",
    "eth_getLogs",
    "eth_getProof",
    "eth_getRawTransactionByHash",
    "eth_getStorageAt",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_getUncleByBlockHashAndIndex",
    "eth_getUncleByBlockNumberAndIndex",
    "eth_getUncleCountByBlockHash",
    "eth_getUncleCountByBlockNumber",
    "eth_maxPriorityFeePerGas",
    "eth_newBlockFilter",
    "eth_newFilter",
    "eth_newPendingTransactionFilter",
    "eth_protocolVersion",
    "eth_sendRawTransaction",
    "eth_sendRawTransactionSync",
    "eth_simulateV1",
    "eth_syncing",
    "eth_uninstallFilter",
    "net_listening",
    "net_peerCount",
    "net_version",
    "web3_clientVersion",
    "web3_sha3",
];

/// Whether a method goes to the node behind, given what the configuration adds.
pub fn is_passed(method: &str, added: &[String]) -> bool {
    let is_added = |one: &String| match one.strip_suffix('*') {
        Some(beginning) => method.starts_with(beginning),
        None => method == one,
    };
    PASSED.contains(&method) || added.iter().any(is_added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_on_that_uses_keys_of_the_node_or_changes_it() {
        for method in [
            "eth_sign",
            "eth_signTransaction",
            "eth_signTypedData_v3",
            "eth_sendTransaction",
            "eth_sendUnsignedTransaction",
            "eth_resend",
            "eth_accounts",
            "eth_coinbase",
            "eth_subscribe",
            "personal_unlockAccount",
            "admin_addPeer",
            "debug_setHead",
            "miner_start",
            "engine_newPayloadV4",
            "wallet_sendTransaction",
            "anvil_setBalance",
            "evm_mine",
            "hardhat_impersonateAccount",
            "txpool_content",
            "eth_getBalanc",
            "",
        ] {
            assert!(!is_passed(method, &[]), "{method}");
        }
        assert!(is_passed("eth_call", &[]) && is_passed("eth_sendRawTransaction", &[]));
        assert!(PASSED.is_sorted());
    }

    #[test]
    fn the_configuration_may_add_methods_by_name_or_by_their_beginning() {
        let added = ["debug_traceTransaction".to_owned(), "anvil_*".to_owned()];
        assert!(is_passed("debug_traceTransaction", &added) && is_passed("anvil_mine", &added));
        assert!(!is_passed("debug_traceTransactions", &added) && !is_passed("debug_setHead", &added));
    }
}
