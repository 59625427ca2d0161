//! Every key of `keymoot.toml`: the one table that is read, checked, shown and documented.

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text.
    Text,
    /// An address to listen on, as in `127.0.0.1:7100`.
    Address,
    /// The same, of this machine only.
    Loopback,
    /// A path; if relative, from the directory of the process.
    Path,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, each once: a list in the file, with commas between them in the environment.
    Words(&'static [&'static str]),
    /// A whole number, both ends included.
    Number(u64, u64),
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// As in `listen`.
    pub name: &'static str,
    /// Which processes look at it.
    pub roles: &'static str,
    pub takes: Takes,
    /// What holds if nobody sets it; `None` if somebody must, or if there is nothing then.
    pub default: Option<&'static str>,
    /// One sentence or two.
    pub meaning: &'static str,
}

const fn key(
    name: &'static str,
    roles: &'static str,
    takes: Takes,
    default: Option<&'static str>,
    meaning: &'static str,
) -> Key {
    Key { name, roles, takes, default, meaning }
}

/// All of them, in the order of the reference.
pub const KEYS: &[Key] = &[
    key(
        "cluster",
        "all",
        Takes::Text,
        None,
        "The name of the cluster. Written by `keymoot join`; never changed.",
    ),
    key(
        "role",
        "all",
        Takes::Word(&["node", "coordinator", "gateway", "client"]),
        None,
        "What the directory is for. Written by `keymoot join`; never changed.",
    ),
    key("name", "all", Takes::Text, None, "As in `node-1`. Written by `keymoot join`; never changed."),
    key(
        "listen",
        "coordinator, gateway",
        Takes::Address,
        Some("127.0.0.1:7100"),
        "Where it listens, with TLS. Others reach it at the address in the cluster document.",
    ),
    key(
        "health",
        "node, coordinator",
        Takes::Loopback,
        Some("127.0.0.1:0"),
        "Where `/livez`, `/readyz` and `/metrics` are, without TLS, for this machine only. Port 0: any \
         free port, which is logged at the start. A gateway has them where it listens.",
    ),
    key(
        "passphrase_file",
        "node",
        Takes::Path,
        None,
        "A file with the passphrase of the vault, readable for its owner only. Without it and `key_file`, the \
         passphrase is asked for at a terminal.",
    ),
    key(
        "key_file",
        "node",
        Takes::Path,
        None,
        "A file with the 32 bytes that open the vault, in place of a passphrase. With `passphrase_file` beside it nothing \
         is started.",
    ),
    key(
        "schemes",
        "node",
        Takes::Words(&["frost-taproot", "frost-ed25519", "dkls23", "gg20"]),
        Some("frost-taproot,frost-ed25519,dkls23"),
        "What keys may be for that this node takes part in. A key needs all nodes, and a signature as many as sign: a node \
         refuses what is not listed, with its signature on that. `gg20` is off unless it is listed; where all nodes list it, \
         they look for safe primes and make the moduli it needs, once, in minutes of idle time.",
    ),
    key(
        "store",
        "coordinator",
        Takes::Path,
        Some("store.db"),
        "The file of the embedded store. Coordinators on one machine share one file, and then finish \
         each other's work.",
    ),
    key(
        "batch",
        "coordinator",
        Takes::Number(1, 1024),
        Some("256"),
        "The most presignatures that are made at once. The first batch has 32 at most, because the first signature may wait \
         for it; the next are larger or smaller as the time allows.",
    ),
    key(
        "pool",
        "coordinator",
        Takes::Number(0, 8192),
        Some("1024"),
        "Presignatures that are kept ready for each ECDSA key that was used within the last hour. Below half of it \
         more are made at any time, above that when there is little else to do; with 0, only when fewer than 32 \
         are left.",
    ),
    key(
        "reflection",
        "coordinator",
        Takes::Flag,
        Some("false"),
        "Whether gRPC clients may ask which services there are.",
    ),
    key(
        "client_certificates",
        "gateway",
        Takes::Word(&["required", "optional"]),
        Some("required"),
        "Whether a client must show a certificate. A token is needed in any case.",
    ),
    key(
        "connections",
        "coordinator, gateway",
        Takes::Number(16, 65_536),
        Some("4096"),
        "Open connections. At a gateway whoever comes then waits, and those without a certificate have half of them; at a \
         coordinator clients have three quarters. Each takes a file descriptor: see `ulimit -n`.",
    ),
    key(
        "client_connections",
        "gateway",
        Takes::Number(1, 65_536),
        Some("256"),
        "Open connections of one client. More are closed, and counted in `keymoot_gateway_connections_closed_total`.",
    ),
    key(
        "requests",
        "gateway",
        Takes::Number(1, 65_536),
        Some("1024"),
        "Requests in progress, the waiting ones and each item of a batch included. More are answered with E5002.",
    ),
    key(
        "client_requests",
        "gateway",
        Takes::Number(1, 65_536),
        Some("256"),
        "Requests in progress of one client. More are answered with E5003. A batch needs a place for each of its items, \
         which are 64 at most.",
    ),
    key(
        "rate",
        "gateway",
        Takes::Number(1, 1_000_000),
        Some("2000"),
        "Requests a second of one client, over some time. More are answered with E5003.",
    ),
    key(
        "burst",
        "gateway",
        Takes::Number(1, 1_000_000),
        Some("4000"),
        "Requests of one client at once, after a pause. More are answered with E5003.",
    ),
    key(
        "body_bytes",
        "gateway",
        Takes::Number(4096, 2_101_248),
        Some("2101248"),
        "The longest body that is read. Longer ones are answered with E2004. Payloads are in hexadecimal digits, so the \
         longest payload has half of it.",
    ),
    key(
        "streams",
        "gateway",
        Takes::Number(1, 65_536),
        Some("256"),
        "Event streams. More are answered with E5002.",
    ),
    key(
        "client_streams",
        "gateway",
        Takes::Number(1, 65_536),
        Some("32"),
        "Event streams of one client. More are answered with E5003.",
    ),
    key(
        "request_bytes",
        "coordinator, gateway",
        Takes::Number(33_554_432, 17_179_869_184),
        Some("268435456"),
        "Bytes that requests in progress have brought; in memory they take up to four times of that. More are answered with \
         E5002. At a coordinator each client has an eighth of them at most.",
    ),
    key(
        "client_request_bytes",
        "gateway",
        Takes::Number(4_194_304, 17_179_869_184),
        Some("67108864"),
        "Bytes of requests in progress of one client. More are answered with E5003.",
    ),
    key(
        "lists",
        "coordinator, gateway",
        Takes::Number(4, 4096),
        Some("64"),
        "Lists of keys or requests in progress, each of which may take megabytes of memory. More are answered with E5002.",
    ),
    key(
        "client_lists",
        "gateway",
        Takes::Number(1, 4096),
        Some("16"),
        "Lists in progress of one client. More are answered with E5003.",
    ),
    key(
        "watchers",
        "coordinator",
        Takes::Number(8, 4096),
        Some("64"),
        "Watchers of sessions. One client or gateway has an eighth of them at most.",
    ),
    key(
        "input_bytes",
        "coordinator",
        Takes::Number(8_388_608, 1_073_741_824),
        Some("67108864"),
        "Bytes of messages and requests that wait for the engine. Whoever brings more waits; after that it is told E5002.",
    ),
    key(
        "log",
        "all",
        Takes::Text,
        Some("info"),
        "What is logged, as a filter of tracing: `info`, or `warn,keymoot_node=debug`.",
    ),
    key(
        "log_format",
        "all",
        Takes::Word(&["human", "json"]),
        Some("human"),
        "How it is logged, on standard error.",
    ),
    key(
        "threads",
        "all",
        Takes::Number(1, 64),
        Some("2"),
        "Threads that wait for sockets and disks. Heavy cryptography has threads of its own.",
    ),
];

impl Takes {
    /// In words, for messages and the reference.
    pub fn words(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Address => "an address and a port, as `127.0.0.1:7100`".into(),
            Self::Loopback => "a loopback address and a port, as `127.0.0.1:0`".into(),
            Self::Path => "a path".into(),
            Self::Flag => "`true` or `false`".into(),
            Self::Word(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::Words(words) => {
                let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                format!("some of {words}, each once: a list, with commas between them in the environment")
            }
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
        }
    }

    /// Whether this text is a value of the kind.
    pub fn takes(self, text: &str) -> bool {
        let address = || text.parse::<std::net::SocketAddr>();
        match self {
            Self::Text | Self::Path => !text.is_empty() && !text.contains(['\0', '\n']),
            Self::Address => address().is_ok(),
            Self::Loopback => address().is_ok_and(|address| address.ip().is_loopback()),
            Self::Flag => matches!(text, "true" | "false"),
            Self::Word(words) => words.contains(&text),
            Self::Words(words) => {
                let all: Vec<&str> = text.split(',').collect();
                let is_once = |word: &&str| all.iter().filter(|other| *other == word).count() == 1;
                all.iter().all(|word| words.contains(word) && is_once(word))
            }
            Self::Number(least, most) => text.parse().is_ok_and(|n: u64| (least..=most).contains(&n)),
        }
    }
}

impl Key {
    /// Whether processes of this role look at it.
    pub fn is_for(&self, role: &str) -> bool {
        self.roles == "all" || self.roles.split(", ").any(|one| one == role)
    }
}

/// How all our variables in the environment begin.
pub const PREFIX: &str = "KEYMOOT_";

/// The environment variable that overrides a key.
pub fn variable(key: &Key) -> String {
    format!("{PREFIX}{}", key.name.to_ascii_uppercase())
}

/// Variables that are ours and override no key: of the commands, of the supervisor, and of the tools that test them.
pub fn is_no_key(variable: &str) -> bool {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
    matches!(name, "CTX" | "SUPERVISED" | "BIN" | "BLESS" | "SIGNATURES") || name.starts_with("TEST_")
}

/// The page docs/guide/configuration.md.
pub fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Each process has one file, `keymoot.toml`, in its directory; `keymoot join` writes it. A key that is not on\n\
         this page, or that is for processes of other roles, is an error. Every key can be overridden by its environment\n\
         variable. A variable with `KEYMOOT_` in front that is not on this page is an error too, for every command, unless it is `KEYMOOT_CTX`;\n\
         one that is for other roles is not looked at, since an environment is often shared. Kubernetes sets variables\n\
         that look like ours for a service of our name: `enableServiceLinks: false` keeps them away. Relative paths begin\n\
         at the directory of the process. This page is generated: `keymoot config reference` prints it.\n",
    );
    for key in KEYS {
        let default = key.default.map_or("none".to_owned(), |default| format!("`{default}`"));
        page.push_str(&format!(
            "\n## {}\n\n{}\n\n- for: {}\n- takes: {}\n- default: {default}\n- environment: `{}`\n",
            key.name,
            key.meaning,
            key.roles,
            key.takes.words(),
            variable(key),
        ));
    }
    page
}
