//! What a payload would do, in plain sentences, for whoever is to say yes to it. Worked out here from the payload; whatever
//! a payload brings along as text is shown so that it cannot pass for something else.

mod bitcoin;
mod ethereum;
mod solana;
pub mod text;
mod units;

use keymoot_chains::{Algorithm, Asset, Danger, Detail, Facts, MessageFacts, Prehash, Signing};

use crate::ink::Ink;
use crate::proof::Read;
use text::{block, visible};

pub use units::wei;

/// Everything that is to be shown before a signature is asked for.
pub struct Told {
    pub lines: Vec<String>,
    /// What should make people stop and think.
    pub warnings: Vec<String>,
}

impl Told {
    /// As lines for a terminal.
    pub fn painted(&self, ink: Ink) -> Vec<String> {
        let mut all: Vec<String> = self.lines.iter().map(|line| format!("  {line}")).collect();
        all.extend(self.warnings.iter().map(|warning| format!("  {}  {warning}", ink.bad("WARNING"))));
        all
    }
}

/// What this payload would do, signed by the key that is called so.
pub fn tell(read: &Read, signer: &str) -> Told {
    let facts = &read.inspection.facts;
    let mut warnings: Vec<String> = facts.dangers.iter().map(|danger| warning(*danger).to_owned()).collect();
    let (title, mut lines) = match &facts.detail {
        Detail::BtcPsbt(detail) => {
            let told = bitcoin::lines(read, detail);
            warnings.extend(told.warnings);
            (format!("Bitcoin transaction on {}", read.key.network()), told.lines)
        }
        Detail::EvmTx(detail) => (ethereum::title(detail), ethereum::transaction(facts, detail)),
        Detail::EvmTypedData(detail) => {
            ("Ethereum typed data".to_owned(), ethereum::typed_data(facts, detail))
        }
        Detail::SolTx(detail) => ("Solana transaction".to_owned(), solana::lines(facts, detail)),
        Detail::EvmMessage(detail) => ("Ethereum personal message".to_owned(), message(detail)),
        Detail::BtcMessage(detail) => ("Bitcoin message (BIP-322)".to_owned(), message(detail)),
        Detail::Message(detail) => ("Message that no chain knows".to_owned(), message(detail)),
        Detail::RawDigest(detail) => ("Bare digest".to_owned(), vec![row("digest", &detail.digest)]),
    };
    lines.insert(0, format!("{title}, to be signed by {signer}"));
    lines.extend(signings(&read.inspection.signings));
    Told { lines, warnings }
}

/// A label and what belongs to it, below a title.
fn row(label: &str, what: &str) -> String {
    format!("  {label:<9} {what}")
}

/// As many digests are shown.
const SIGNINGS_SHOWN: usize = 8;

fn signings(all: &[Signing]) -> Vec<String> {
    let mut label = "signs";
    let mut lines = Vec::new();
    for one in all.iter().take(SIGNINGS_SHOWN) {
        let what = match one.prehash {
            Prehash::None => format!("all {} bytes", one.bytes.len()),
            _ => hex::encode(one.message()),
        };
        lines.push(row(label, &format!("{what} at {} with {}", one.path, algorithm(one.algorithm))));
        label = "";
    }
    if let Some(more) = all.len().checked_sub(SIGNINGS_SHOWN).filter(|more| *more > 0) {
        lines.push(row("", &format!("and {more} more; --json shows all")));
    }
    lines
}

const fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ecdsa => "ECDSA",
        Algorithm::TaprootKeyPath => "BIP-340",
        Algorithm::Ed25519 => "Ed25519",
    }
}

/// Bytes that are shown of a message that is no text.
const BYTES_SHOWN: usize = 256;

fn message(facts: &MessageFacts) -> Vec<String> {
    let mut lines = vec![row("signer", &facts.signer)];
    match &facts.text {
        Some(text) => {
            lines.push(row("text", ""));
            lines.extend(block(text));
        }
        None => {
            let shown: String = facts.hex.chars().take(2 * BYTES_SHOWN).collect();
            let more = if shown.len() < facts.hex.len() { "…" } else { "" };
            lines.push(row("bytes", &format!("{shown}{more} ({} bytes, no text)", facts.hex.len() / 2)));
        }
    }
    lines
}

/// What leaves, and what others may take, where a chain has no words of its own for it.
fn moves(facts: &Facts, coin: impl Fn(&keymoot_chains::Amount) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    for one in &facts.outflows {
        let what = match &one.asset {
            Asset::Native => coin(&one.amount),
            Asset::Erc20 { token } => format!("{} smallest units of the token {token}", one.amount),
            Asset::Erc20OrErc721 { token } => {
                format!("{} smallest units, or the one with this number, of the token {token}", one.amount)
            }
            Asset::Erc721 { token, id } => format!("number {id} of the token {token}"),
            Asset::Erc1155 { token, id } => format!("{} of number {id} of the token {token}", one.amount),
        };
        let from = one.from.as_ref().map_or(String::new(), |from| format!(", from {from}"));
        lines.push(row("sends", &format!("{what} to {}{from}", one.to)));
    }
    for one in &facts.allowances {
        let what = match &one.amount {
            Some(amount) if amount.digits() == "0" => "nothing any more".to_owned(),
            Some(amount) if !one.unlimited => format!("{amount} smallest units"),
            _ => "everything, now and later,".to_owned(),
        };
        let line = format!("{} to take {what} of the token {} from {}", one.spender, one.token, one.owner);
        lines.push(row("allows", &line));
    }
    lines
}

const fn warning(danger: Danger) -> &'static str {
    match danger {
        Danger::Opaque => "part of it is not understood: nobody here can say what that part does",
        Danger::Delegatecall => {
            "foreign code runs as the account itself: it can take everything the account has"
        }
        Danger::UnlimitedAllowance => "somebody may take all of a token, or as good as all, now and later",
        Danger::Authorisation => "an account gets code (EIP-7702), and then does what that code says",
        Danger::AuthorisationOnAnyChain => "an authorisation of an account holds on every chain at once",
        Danger::Creation => "a contract is created",
        Danger::AnyChain => "the signature is good on every chain, and can be used again on another",
        Danger::UnknownTypedData => "typed data of a shape that is not known here: only its words are shown",
        Danger::DigestAsMessage => {
            "the message looks like a digest: to a contract it may approve something else"
        }
        Danger::GasRefund => "a Safe pays whoever sends this for gas, as much as they say",
        Danger::ForeignInputs => "coins of somebody else are spent in the same transaction",
        Danger::Blind => "a bare digest: nobody can see what it does",
    }
}

#[cfg(test)]
mod tests;
