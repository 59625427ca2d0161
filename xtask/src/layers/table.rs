//! The layer table. A crate that is not here does not build a release: add it, with the reason in an ADR.

/// One crate's place.
pub(super) struct Layer {
    name: &'static str,
    lean_on: LeanOn,
    /// No waiting, no outside world: `purity` looks closely.
    pub is_pure: bool,
}

enum LeanOn {
    These(&'static [&'static str]),
    /// All but tools: the binary chooses vendors, tools look at everything.
    Everything,
}

const fn pure(name: &'static str, these: &'static [&'static str]) -> Layer {
    Layer { name, lean_on: LeanOn::These(these), is_pure: true }
}

const fn may_wait(name: &'static str, these: &'static [&'static str]) -> Layer {
    Layer { name, lean_on: LeanOn::These(these), is_pure: false }
}

const fn top(name: &'static str) -> Layer {
    Layer { name, lean_on: LeanOn::Everything, is_pure: false }
}

/// Nobody leans on these.
const TOOLS: [&str; 5] =
    ["keymoot-bench", "keymoot-canary", "keymoot-e2e", "keymoot-timing", "keymoot-xtask"];

const TABLE: [Layer; 21] = [
    pure("keymoot-types", &[]),
    may_wait("keymoot-wire", &["keymoot-types"]),
    pure("keymoot-protocol", &["keymoot-types"]),
    pure("keymoot-chains", &["keymoot-types"]),
    pure("keymoot-policy", &["keymoot-types", "keymoot-chains"]),
    pure("keymoot-engine", &["keymoot-types", "keymoot-protocol", "keymoot-chains", "keymoot-policy"]),
    may_wait("keymoot-ports", &["keymoot-types"]),
    may_wait("keymoot-adapters", &["keymoot-types", "keymoot-wire", "keymoot-ports"]),
    may_wait("keymoot-vault", &["keymoot-types"]),
    may_wait(
        "keymoot-node",
        &["keymoot-types", "keymoot-wire", "keymoot-engine", "keymoot-ports", "keymoot-vault"],
    ),
    may_wait("keymoot-control", &["keymoot-types", "keymoot-wire", "keymoot-engine", "keymoot-ports"]),
    may_wait("keymoot-gateway", &["keymoot-types", "keymoot-wire", "keymoot-ports"]),
    may_wait("keymoot-client", &["keymoot-types", "keymoot-wire"]),
    may_wait("keymoot-rpc", &["keymoot-types", "keymoot-wire", "keymoot-client", "keymoot-chains"]),
    may_wait(
        "keymoot-sim",
        &[
            "keymoot-types",
            "keymoot-engine",
            "keymoot-protocol",
            "keymoot-chains",
            "keymoot-policy",
            "keymoot-ports",
        ],
    ),
    top("keymoot"),
    top("keymoot-bench"),
    top("keymoot-canary"),
    top("keymoot-e2e"),
    top("keymoot-timing"),
    top("keymoot-xtask"),
];

impl Layer {
    /// The crate's row.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        const ROWS: &[Layer] = &TABLE;
        ROWS.iter().find(|layer| layer.name == name)
    }

    /// Whether a normal or build dependency on that crate of ours is listed.
    pub(super) fn may_lean_on(&self, name: &str) -> bool {
        match self.lean_on {
            LeanOn::These(these) => these.contains(&name),
            LeanOn::Everything => !TOOLS.contains(&name),
        }
    }
}
