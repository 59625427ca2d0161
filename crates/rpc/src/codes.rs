//! The stable codes of what only this signer says. `keymoot explain` has a page for each; what the cluster says keeps the
//! code that it has there.

/// The body is not JSON.
pub const NOT_JSON: &str = "E2801";
/// Not a request of JSON-RPC 2.0.
pub const NOT_A_REQUEST: &str = "E2802";
/// A parameter is not what the method takes.
pub const BAD_PARAMS: &str = "E2803";
/// The method is not offered.
pub const NO_METHOD: &str = "E2804";
/// The account is not one of this signer.
pub const NOT_OURS: &str = "E2805";
/// The transaction or message is for another chain.
pub const WRONG_CHAIN: &str = "E2806";
/// The fee is higher than the configuration allows.
pub const FEE_TOO_HIGH: &str = "E2807";
/// The body is too large.
pub const TOO_LARGE: &str = "E2808";
/// The caller may not ask: another host name, a web page, no token.
pub const NOT_ADMITTED: &str = "E2809";
/// The signer cannot start as it is configured.
pub const NOT_STARTED: &str = "E2810";
/// The request is not finished, and goes on in the cluster.
pub const PENDING: &str = "E2110";
/// The gateway of the cluster cannot be reached.
pub const UNREACHABLE: &str = "E5901";
/// The node behind does not answer.
pub const SILENT: &str = "E5904";
/// Nobody knows whether a transaction was sent.
pub const IN_DOUBT: &str = "E5905";
/// A signature of the cluster does not verify.
pub const UNVERIFIED: &str = "E7002";

/// Those that are ours alone.
pub const ALL: &[&str] = &[
    NOT_JSON,
    NOT_A_REQUEST,
    BAD_PARAMS,
    NO_METHOD,
    NOT_OURS,
    WRONG_CHAIN,
    FEE_TOO_HIGH,
    TOO_LARGE,
    NOT_ADMITTED,
    NOT_STARTED,
    SILENT,
    IN_DOUBT,
];
