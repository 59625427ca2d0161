//! The settings of a signer: what its file says, and what the command line overrides.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keymoot_rpc::{Config, Shape, Tls};
use rand::RngCore;
use rand::rngs::OsRng;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::EthArgs;
use crate::explain::{CONFIG_KEY, CONFIG_SYNTAX, CONFIG_VALUE, ETH_NOT_STARTED};
use crate::failure::{Failure, Trouble};
use crate::place;

/// How long the node behind may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// Where Web3Signer listens too.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9000);

/// Everything that a signer is started with.
pub struct Settings {
    pub listen: SocketAddr,
    pub downstream: String,
    pub timeout: Duration,
    pub config: Config,
    /// The keys that are accounts, by id or name.
    pub keys: Vec<String>,
    /// Where its TLS is from.
    pub tls: Option<TlsFiles>,
    pub log: String,
    pub is_log_json: bool,
}

/// A file. What it does not say has its default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    downstream: Option<String>,
    downstream_seconds: Option<u64>,
    chain_id: Option<u64>,
    wait_seconds: Option<u64>,
    sign_transaction: Option<Shaped>,
    paths: Option<Vec<String>>,
    keys: Option<Vec<String>>,
    fee_max: Option<String>,
    price_max: Option<String>,
    tip_max: Option<String>,
    fill_places: Option<bool>,
    methods: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    token_file: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    allow_plaintext: Option<bool>,
    signings: Option<usize>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

/// All of them, as the guide lists them.
const KEYS: [&str; 23] = [
    "listen",
    "downstream",
    "downstream_seconds",
    "chain_id",
    "wait_seconds",
    "sign_transaction",
    "paths",
    "keys",
    "fee_max",
    "price_max",
    "tip_max",
    "fill_places",
    "methods",
    "hosts",
    "origins",
    "token_file",
    "tls_certificate",
    "tls_key",
    "client_ca",
    "allow_plaintext",
    "signings",
    "log",
    "log_format",
];

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shaped {
    Raw,
    RawAndTx,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// What the command line says, then its file, then what holds otherwise.
    pub fn read(args: &EthArgs) -> Result<Self, Failure> {
        let (file, folder) = match &args.config {
            None => (File::default(), PathBuf::new()),
            Some(path) => {
                let text = place::read_text(path)?;
                (parse(&text, path)?, path.parent().unwrap_or(Path::new("")).to_owned())
            }
        };
        let missing = |what: &str, option: &str| {
            let help = format!("say {option}, or set it in the file of --config");
            bad(what).help(help)
        };
        let downstream = args.downstream.clone().or(file.downstream);
        let downstream = downstream.ok_or_else(|| missing("no node behind is named", "--downstream URL"))?;
        let chain_id = args.chain_id.or(file.chain_id).filter(|id| *id > 0);
        let chain_id = chain_id.ok_or_else(|| missing("it is not said for which chain", "--chain-id N"))?;
        let mut config = Config::new(chain_id);
        if let Some(seconds) = file.wait_seconds {
            config.wait = between("wait_seconds", seconds, 1, 600)?;
        }
        let timeout = match file.downstream_seconds {
            Some(seconds) => between("downstream_seconds", seconds, 1, 600)?,
            None => TIMEOUT,
        };
        if let Some(Shaped::RawAndTx) = file.sign_transaction {
            config.shape = Shape::Both;
        }
        if let Some(paths) = file.paths {
            config.paths = paths.iter().map(|text| at(text)).collect::<Result<_, _>>()?;
        }
        if let Some(text) = file.fee_max {
            config.fee_max = wei("fee_max", &text)?;
        }
        if let Some(text) = file.price_max {
            config.price_max = wei("price_max", &text)?;
        }
        if let Some(text) = file.tip_max {
            config.tip_max = wei("tip_max", &text)?;
        }
        config.token = match (&args.token_file, file.token_file) {
            (Some(path), _) => Some(token_or_new(path)?),
            (None, Some(path)) => Some(token(&folder.join(path))?),
            (None, None) => None,
        };
        let tls = TlsFiles::of(file.tls_certificate, file.tls_key, file.client_ca, &folder)?;
        config.tls = tls.as_ref().map(TlsFiles::read).transpose()?;
        config.allows_plaintext = file.allow_plaintext.unwrap_or(config.allows_plaintext);
        if let Some(signings) = file.signings {
            let most = config.limits.requests;
            if !(1..=most).contains(&signings) {
                return Err(bad(&format!("`signings` takes a whole number from 1 to {most}")).into());
            }
            config.limits.signings = signings;
        }
        config.fills = file.fill_places.unwrap_or(config.fills);
        config.methods = file.methods.unwrap_or_default();
        config.hosts = file.hosts.unwrap_or_default();
        config.origins = file.origins.unwrap_or_default();
        Ok(Self {
            listen: args.listen.or(file.listen).unwrap_or(LISTEN),
            downstream,
            timeout,
            config,
            keys: file.keys.unwrap_or_default(),
            tls,
            log: file.log.unwrap_or_else(|| "info".to_owned()),
            is_log_json: file.log_format == Some(LogFormat::Json),
        })
    }
}

fn parse(text: &str, path: &Path) -> Result<File, Failure> {
    let name = path.display();
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        let what = format!("`{name}` is not TOML, at line {line}: {}", error.message());
        Trouble::new(CONFIG_SYNTAX, what).undone("nothing was started")
    })?;
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let what = format!("`{name}` sets `{}`, and there is no such key", unknown.escape_debug());
        let nearest = KEYS.iter().min_by_key(|key| strsim::damerau_levenshtein(unknown, key));
        let help = match nearest {
            Some(near) if strsim::damerau_levenshtein(unknown, near) <= 3 => {
                format!("did you mean `{near}`?")
            }
            _ => format!("known keys: {}", KEYS.join(", ")),
        };
        return Err(Trouble::new(CONFIG_KEY, what).undone("nothing was started").help(help).into());
    }
    table.try_into().map_err(|error: toml::de::Error| {
        let what = format!("`{name}` has a value that its key does not take: {}", error.message());
        Trouble::new(CONFIG_VALUE, what).undone("nothing was started").into()
    })
}

fn at(text: &str) -> Result<keymoot_types::Path, Failure> {
    let refused = |_| bad(&format!("`paths` has `{}`, and a path is as m/0/7", text.escape_debug())).into();
    text.parse().map_err(refused)
}

/// `None`: no limit.
fn wei(key: &str, text: &str) -> Result<Option<u128>, Failure> {
    match text {
        "none" => Ok(None),
        digits => match digits.parse() {
            Ok(wei) => Ok(Some(wei)),
            Err(_) => Err(bad(&format!("`{key}` takes a number of wei in quotes, or `none`")).into()),
        },
    }
}

/// The files of TLS.
#[derive(Clone)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    callers: Option<PathBuf>,
}

impl TlsFiles {
    /// If there is anything of it, all that it needs has to be there.
    fn of(
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        callers: Option<PathBuf>,
        folder: &Path,
    ) -> Result<Option<Self>, Failure> {
        match (certificate, key, callers) {
            (None, None, None) => Ok(None),
            (Some(certificate), Some(key), callers) => Ok(Some(Self {
                certificate: folder.join(certificate),
                key: folder.join(key),
                callers: callers.map(|path| folder.join(path)),
            })),
            _ => Err(bad("TLS needs both `tls_certificate` and `tls_key`").into()),
        }
    }

    /// All of them.
    pub fn paths(&self) -> Vec<PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.callers).cloned().collect()
    }

    /// What is in them now.
    pub fn read(&self) -> Result<Tls, Failure> {
        let text = place::read_text(&self.certificate)?;
        let secret = place::read_secret(&self.key)?;
        let callers = self.callers.as_deref().map(place::read_text).transpose()?;
        let made = Tls::from_pem(text.as_bytes(), &secret, callers.as_deref().map(str::as_bytes));
        made.map_err(|fault| {
            let what = format!("there is no TLS with `{}`", self.certificate.display());
            Trouble::new(ETH_NOT_STARTED, what).undone("nothing was started").because(fault).into()
        })
    }
}

fn token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = place::read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("`token_file` names a file that is no text"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// The token of a file. If there is no such file, one is written that nobody can guess and nobody else can read.
fn token_or_new(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if !path.try_exists().unwrap_or(true) {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(Failure::Randomness)?;
        place::write_secret(path, Zeroizing::new(hex::encode(bytes.as_slice())).as_bytes())?;
    }
    token(path)
}

fn bad(what: &str) -> Trouble {
    Trouble::new(CONFIG_VALUE, what).undone("nothing was started")
}

fn between(key: &str, seconds: u64, least: u64, most: u64) -> Result<Duration, Failure> {
    if (least..=most).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(bad(&format!("`{key}` takes a whole number of seconds from {least} to {most}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &Path, text: &str) -> EthArgs {
        let path = folder.join("signer.toml");
        std::fs::write(&path, text).unwrap();
        EthArgs { listen: None, downstream: None, chain_id: None, token_file: None, config: Some(path) }
    }

    fn read(text: &str) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        keymoot_vault::write_private(&folder.path().join("token"), b"0123456789abcdef0123456789abcdef\n")
            .unwrap();
        Settings::read(&args(folder.path(), text))
    }

    const LEAST: &str = "downstream = \"http://127.0.0.1:8545\"\nchain_id = 1\n";

    #[test]
    fn a_file_says_everything_and_the_command_line_more_than_it() {
        let text = format!(
            "{LEAST}listen = \"127.0.0.1:1\"\nwait_seconds = 5\nsign_transaction = \"raw_and_tx\"\n\
             paths = [\"m\", \"m/0/7\"]\nkeys = [\"hot\"]\nfee_max = \"5\"\nprice_max = \"none\"\ntip_max = \"7\"\nfill_places = false\n\
             methods = [\"anvil_*\"]\nhosts = [\"signer\"]\norigins = [\"https://app.example\"]\n\
             token_file = \"token\"\nsignings = 3\nlog = \"debug\"\nlog_format = \"json\"\ndownstream_seconds = 2\n"
        );
        let settings = read(&text).unwrap();
        let config = &settings.config;
        assert_eq!(
            (settings.listen.port(), settings.timeout, config.wait),
            (1, Duration::from_secs(2), Duration::from_secs(5))
        );
        assert_eq!((config.chain_id, config.shape, config.paths.len()), (1, Shape::Both, 2));
        assert_eq!((config.fee_max, config.fills, config.limits.signings), (Some(5), false, 3));
        assert_eq!(
            (config.price_max, config.tip_max, &*settings.keys),
            (None, Some(7), &["hot".to_owned()][..])
        );
        assert_eq!(config.token.as_deref().map(|token| token.len()), Some(32));
        let folder = tempfile::tempdir().unwrap();
        let args = EthArgs {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            downstream: Some("http://127.0.0.1:2".into()),
            chain_id: Some(2),
            ..args(folder.path(), LEAST)
        };
        let settings = Settings::read(&args).unwrap();
        assert_eq!((settings.listen.port(), settings.config.chain_id), (2, 2));
        assert_eq!(settings.downstream, "http://127.0.0.1:2");
    }

    #[test]
    fn tls_is_read_from_files_beside_the_configuration() {
        use keymoot_wire::authority::{Authority, TlsKey, Validity};
        use keymoot_wire::identity::{PeerId, PeerRole};
        let (authority, key) = (Authority::create("acme").unwrap(), TlsKey::create().unwrap());
        let id = PeerId::new("acme", PeerRole::Gateway, "signer").unwrap();
        let certificate = authority.issue(key.csr_pem(), &id, &[], Validity::days(1)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("certificate"), certificate).unwrap();
        std::fs::write(folder.path().join("callers"), authority.certificate_pem()).unwrap();
        keymoot_vault::write_private(&folder.path().join("key"), key.key_pem().as_bytes()).unwrap();
        let text = format!("{LEAST}tls_certificate = \"certificate\"\ntls_key = \"key\"\n");
        let tls = |text: &str| Settings::read(&args(folder.path(), text)).unwrap().config;
        assert!(tls(&text).tls.is_some_and(|tls| !tls.knows_callers()) && !tls(&text).allows_plaintext);
        let known = tls(&format!("{text}client_ca = \"callers\"\nallow_plaintext = true\n"));
        assert!(known.tls.is_some_and(|tls| tls.knows_callers()) && known.allows_plaintext);
        assert!(tls(LEAST).tls.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_code() {
        for (text, code, says) in [
            ("chain_id = 1", "E2302", "no node behind"),
            ("downstream = \"http://x\"", "E2302", "for which chain"),
            ("downstream = \"http://x\"\nchain_id = 0", "E2302", "for which chain"),
            ("chain_idd = 1", "E2301", "chain_idd"),
            ("chain_id = ", "E2304", "line 1"),
            ("chain_id = \"x\"", "E2302", "does not take"),
            ("sign_transaction = \"both\"", "E2302", "does not take"),
            (&format!("{LEAST}wait_seconds = 0"), "E2302", "wait_seconds"),
            (&format!("{LEAST}fee_max = \"1e18\""), "E2302", "fee_max"),
            (&format!("{LEAST}price_max = \"1.5\""), "E2302", "price_max"),
            (&format!("{LEAST}paths = [\"m/0'\"]"), "E2302", "paths"),
            (&format!("{LEAST}signings = 0"), "E2302", "signings"),
            (&format!("{LEAST}token_file = \"nothing\""), "E2502", "nothing"),
            (&format!("{LEAST}tls_certificate = \"token\""), "E2302", "tls_key"),
            (&format!("{LEAST}client_ca = \"token\""), "E2302", "tls_certificate"),
            (&format!("{LEAST}tls_certificate = \"token\"\ntls_key = \"nothing\""), "E2502", "nothing"),
            (&format!("{LEAST}tls_certificate = \"token\"\ntls_key = \"token\""), "E2810", "PEM"),
            (&format!("{LEAST}allow_plaintext = 1"), "E2302", "does not take"),
        ] {
            let failure = read(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            let told = failure.document().unwrap().to_string();
            assert!(failure.code() == code && told.contains(says), "{text}: {told}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let token = || {
            let args = EthArgs { token_file: Some(path.clone()), ..args(folder.path(), LEAST) };
            Settings::read(&args).unwrap().config.token.unwrap()
        };
        let first = token();
        assert_eq!((first.len(), *first == *token()), (64, true));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // One that others can read is not taken.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let args = EthArgs { token_file: Some(path.clone()), ..args(folder.path(), LEAST) };
        assert!(Settings::read(&args).is_err());
    }

    #[test]
    fn the_guide_lists_every_key_and_no_other() {
        let guide = include_str!("../../../../../docs/guide/ethereum.md");
        let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let listed: Vec<&str> = rows.map(|(name, _)| name).filter(|name| KEYS.contains(name)).collect();
        assert_eq!(listed, KEYS);
        let example = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert!(parse(example, Path::new("ethereum.md")).is_ok(), "the example in the guide is a file");
    }

    #[test]
    fn every_code_of_the_signer_has_a_page() {
        for code in keymoot_rpc::codes::ALL {
            assert!(crate::explain::own(code).is_some(), "{code}");
        }
    }
}
