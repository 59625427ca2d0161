//! One page for each code: what it means, what did not happen, what to do. Codes are for ever.
//!
//! What the cluster answers has its pages in [`keymoot_wire::problem`], beside the codes; here is what this program
//! itself says.

/// What `keymoot explain` prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// As in `E2301`.
    pub code: &'static str,
    /// A clause.
    pub title: &'static str,
    /// With which code the program ends.
    pub exit: u8,
    /// What it means, and what did not happen.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The code is the cluster's, with a page there: a request that cannot be, whoever finds out.
pub const USAGE: &Page = &Page {
    code: "E2001",
    title: "the command line makes no sense",
    exit: 2,
    meaning: "A value on the command line is not one that the option takes. Nothing was started.",
    remedy: "Read what the message says is taken, or `keymoot help` with the command.",
};

/// The same: a defect is a defect.
pub const BUG: &Page = &Page {
    code: "E7003",
    title: "keymoot broke a promise of its own",
    exit: 70,
    meaning: "A defect of keymoot and not of what was typed.",
    remedy: "Please report it with the whole output.",
};

macro_rules! pages {
    ($($name:ident = $code:literal, $exit:literal, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        $(pub const $name: &Page = &Page {
            code: $code, title: $title, exit: $exit, meaning: $meaning, remedy: $remedy,
        };)*
        /// All of them, by code.
        pub const PAGES: &[&Page] = &[$($name),*];
    };
}

pages! {
    RUN_UNREADABLE = "E2201", 2, "the run cannot be read",
        "The file of a simulated run is not there, or may not be read. Nothing was replayed.",
        "`cargo xtask sim` leaves a file for each run that breaks a promise, and names it.";
    RUN_BAD = "E2202", 2, "the file cannot be replayed",
        "The file is not one that the simulator writes, or was written by a version with other rules.",
        "Use the file as the simulator has left it, with the build that wrote it.";
    RUN_DRIFTED = "E2204", 1, "the run comes out differently than the file says",
        "The same seed gives another history than the file records: the code has changed since.",
        "Replay it with the build that wrote it.";
    CONFIG_KEY = "E2301", 2, "there is no such configuration key",
        "`keymoot.toml` sets a key, or the environment a KEYMOOT_ variable, that this version does not know, or \
         the file one that is for processes of another role. That is always an error: a misspelt setting that \
         is silently ignored is worse than a process that does not start. Nothing was started.",
        "Take the name that the message suggests, or look at docs/guide/configuration.md.";
    CONFIG_VALUE = "E2302", 2, "a configuration value is not one that the key takes",
        "A key in `keymoot.toml`, or the environment variable that overrides it, has a value of the wrong \
         type or outside of what is allowed. Nothing was started.",
        "Correct the value; `keymoot config show --effective` shows every value and where it comes from.";
    CONFIG_MISSING = "E2303", 2, "there is no configuration in this directory",
        "The directory has no `keymoot.toml`, so it is not the directory of a process. Nothing was \
         started.",
        "Give the directory that `keymoot join` made, with --dir.";
    CONFIG_SYNTAX = "E2304", 2, "the configuration is not TOML",
        "`keymoot.toml` cannot be parsed as TOML, so nobody can say what it sets. Nothing was started.",
        "Correct the line that the message names; `keymoot config check --dir DIR` reads it without \
         starting.";
    CEREMONY_FILE = "E2401", 2, "this is not a file of the ceremony",
        "An invitation, an answer or an admission cannot be read or holds something else. Nothing was \
         written.",
        "Use the files as `keymoot init`, `join` and `admit` wrote them: ceremony.json, *.join.json, \
         *.admit.json.";
    CEREMONY_NAME = "E2402", 2, "the invitation has no place of this name",
        "The name is not one of the ceremony, or a role was given that does not fit it. Nothing was \
         written.",
        "Use one of the names in the message; a client is anybody else and needs --role.";
    CEREMONY_FOREIGN = "E2403", 6, "the directory belongs to another cluster",
        "What is in this directory was made for another cluster, or for another name in it. Nothing was \
         changed: the shares of two clusters never mix.",
        "Use an empty directory, or the directory that belongs to this name.";
    CEREMONY_EXISTS = "E2404", 6, "there is something in this directory already",
        "A new ceremony or a new member would overwrite keys that exist. Nothing was changed.",
        "Use an empty directory. To look at what is there: `keymoot config show --dir DIR`.";
    CEREMONY_INCOMPLETE = "E2405", 4, "some have not answered the invitation yet",
        "A cluster document names all nodes, coordinators and gateways of the invitation, and so it is \
         signed when all have answered. What was admitted is kept; no document was written.",
        "Run `keymoot join` on the hosts in the message, then `keymoot admit` with their files.";
    CEREMONY_UNVERIFIED = "E2406", 3, "the admission is not from the authority that invited us",
        "The cluster document or the certificate in the admission was not signed by the authority whose \
         certificate came with the invitation, or is for another key. Nothing was changed.",
        "Ask the authority for the admission of this name, and compare fingerprints over another channel.";
    CEREMONY_PENDING = "E2407", 4, "this process has not been admitted yet",
        "The directory has keys, but no certificate and no cluster document. Nothing was started.",
        "Send the *.join.json to the authority, and finish with `keymoot join --finish NAME.admit.json \
         --dir DIR`.";
    CEREMONY_ROLE = "E2408", 3, "a client asks for more than it was allowed",
        "Clients write into their answers what they want to do. More than asking for signatures has to be allowed by \
         name and role, so that nobody who was to read becomes an administrator. Nothing was signed.",
        "If it is right, say so: `keymoot admit … --allow NAME=ROLE`. If not, have the client join again with the \
         role that was agreed.";
    CEREMONY_REVOKED = "E2409", 6, "it is revoked already",
        "The cluster document lists TLS keys that are nobody's any more, and a client that was revoked is not in it. The \
         message names somebody to whom that has happened before, or an answer with a key of such a one. Nothing was \
         signed: a key that was revoked never counts again.",
        "A client that is to come back joins in an empty directory, with new keys. A node, coordinator or gateway draws a \
         new TLS key in its own directory, with `keymoot join … --new-tls-key`. Then `keymoot admit` with the new answer.";
    VAULT_LOCKED = "E2501", 3, "the passphrase or key file does not open the vault",
        "The vault was made with another passphrase or key file, or its header was changed. Nothing was \
         started, and the vault is as it was.",
        "Check the file that KEYMOOT_PASSPHRASE_FILE or `passphrase_file` names. Without the passphrase \
         the shares in the vault are lost; the other nodes are not.";
    FILE_MISSING = "E2502", 2, "a file that must be there is not",
        "The file that the message names is not there, or a folder on the way to it. Either another path was meant, or the file was \
         moved or deleted. Nothing was started, sent or written. If it is a file of a process that it has lost, its whole \
         directory has to be brought back: single files of another copy do not fit, and a node with an older journal could \
         sign twice with what serves once.",
        "Check the path; where it is below a directory, that --dir or --context means the right one: `keymoot context list` \
         shows where contexts lead.";
    IN_USE = "E2503", 6, "another process uses this directory",
        "Two processes must never share the state of one node: it could sign twice with what serves once. \
         Nothing was started.",
        "Stop the other process, or wait until it has ended.";
    FILE_EXPOSED = "E2504", 3, "others can read a secret file",
        "A file with a secret can be read or changed by others than its owner. Nothing was started.",
        "`chmod 600` the file; if others may have read it, make a new one.";
    FILE_DAMAGED = "E2505", 74, "a file is not what was written",
        "A file of the data directory was changed or belongs to another place. Nothing was started, \
         nothing repaired: a node that guesses at its own state could sign what it must not.",
        "Restore the directory of this node from before the damage only with the guide on recovery at \
         hand.";
    NO_PASSPHRASE = "E2506", 2, "nothing was given that opens the vault",
        "A node needs its passphrase or key file at every start, and there is no terminal to ask at. \
         Nothing was started.",
        "Set KEYMOOT_PASSPHRASE_FILE, or `passphrase_file` or `key_file` in keymoot.toml.";
    WEAK_PASSPHRASE = "E2507", 2, "this cannot lock a vault",
        "A passphrase has 12 bytes at least, a key file 32 bytes or their 64 hexadecimal digits. Nothing \
         was written.",
        "Take a longer one; six random words are good.";
    NO_CONTEXT = "E2601", 2, "it is not clear which cluster is meant",
        "Commands that talk to a cluster need a context: which gateway, as whom. None was given and none \
         is in use.",
        "`export KEYMOOT_CTX=demo`, `--context NAME`, or `keymoot context use NAME`; `keymoot context \
         list` shows them.";
    BAD_CONTEXT = "E2602", 2, "the context cannot be used",
        "The context is not there, or the files that it names are not. Nothing was sent.",
        "`keymoot context list` shows what there is, and whose directory has gone: the context of a demo ends with the demo.";
    NOT_SUPERVISED = "E2603", 2, "these nodes were not started by this program's supervisor",
        "Processes are killed and started from here only while `keymoot demo` or `keymoot up` runs them, and in its context. \
         Either that has ended, or the context is of a cluster whose processes run elsewhere. Nothing was done.",
        "`keymoot context list` shows the contexts; name the one of the demo with --context. If `keymoot up` has ended, start \
         it again with the same --dir. On other hosts, use what runs the processes there, as in `systemctl stop keymoot-node`.";
    NO_PROCESS = "E2604", 2, "there is no process of this name",
        "The supervisor runs no process of this name. Nothing was done.",
        "`keymoot node list` shows their names.";
    NOT_LOOPBACK = "E2605", 2, "a demo listens on this machine only",
        "The demo approves everything. It must not be reachable from elsewhere, and so takes loopback \
         addresses only. Nothing was started.",
        "Leave --listen out, or use 127.0.0.1. `keymoot init` builds a cluster for other machines.";
    VERIFY_FAILED = "E2607", 3, "the signature does not verify",
        "An independent library says that this is no signature of this key over this message.",
        "Check key, path, message and signature. If `keymoot sign` printed them together, report it.";
    KEY_UNCERTIFIED = "E2608", 3, "the service shows a key that the nodes have not certified",
        "All nodes certify each key that they make, and this program holds every key of an answer against that \
         certificate and the nodes in the cluster document. This one has none, or it is of another key. Nothing of \
         the answer was shown or used: an address of such a key belongs to somebody else.",
        "Treat the gateway and its coordinators as taken over: send no money to addresses that they have shown to \
         other programs, ask through another gateway, and look at who has been on these hosts.";
    CONTEXT_TAKEN = "E2609", 6, "the context is of another directory",
        "A context is the name under which commands find a cluster. The name that was given, or that the directory would get, \
         leads to another directory with a cluster in it, and commands that mean that one must not reach this one. Nothing was \
         started, and the context is as it was.",
        "`keymoot context list` shows which there are. Give this directory a name of its own: `keymoot up --dir DIR --context \
         NAME`.";
    KEY_NAME_TAKEN = "E2610", 6, "a key of this name is there already",
        "Names are for people, and the cluster knows keys by their ids. But two keys of one name are mistaken for each other, \
         and commands refuse a name that several keys have, also if all but one are retired. No key was made.",
        "Take another name. If it has to be this one, say `keymoot key create NAME --allow-duplicate-name`, and from then on \
         name both keys by their ids.";
    PAYLOAD_UNREADABLE = "E2701", 2, "the payload cannot be read",
        "The bytes are not what they are said to be: cut off, too long, of an unknown type or version, or not in the one \
         encoding that is signed. The message names the field where there is one. Nothing was sent: no node has seen \
         the payload, and no presignature was used.",
        "Compare the file with what made it, and the option with the file: --psbt, --tx, --typed-data, --sol-tx.";
    PAYLOAD_UNSAFE = "E2702", 3, "the payload asks for what is never signed",
        "The payload can be read, but a signature could mean something else than what is shown: a coin without the \
         transaction that made it, amounts that do not add up, a signature hash type that leaves inputs or outputs \
         open, a path that does not lead to its key, a bare digest. The message names the field. Nothing was sent: no \
         node has seen the payload, and no presignature was used.",
        "Have the wallet make it again with what the field lacks. No option and no policy turns this check off.";
    NOT_FOR_THIS_KEY = "E2703", 2, "nothing in the payload is for this key",
        "The key signs with another kind of signature than the payload needs (Ethereum takes dkls23; Solana frost-ed25519; \
         Bitcoin dkls23 or frost-taproot, as the address says), or no input and no account in it is the key's. In a PSBT an \
         input is ours if it says at which path below our fingerprint its key is. Nothing was sent: no node has seen it.",
        "`keymoot key list` shows the scheme of each key, and `keymoot key address NAME --path PATH` the accounts: compare them \
         with the payload, and name the right key with --key. A wallet that makes PSBTs has to watch a descriptor of `keymoot \
         key xpub NAME`, with the fingerprint in it.";
    WRONG_NETWORK = "E2704", 2, "this is for another Bitcoin network",
        "Each cluster is for one Bitcoin network, which its document says. An option, an extended public key or a descriptor is \
         for another one. Coins of one network cannot be spent on another, so somebody is mistaken. Nothing was sent.",
        "Use the cluster of that network: the network is chosen with `keymoot init --bitcoin-network`, for good. If the \
         cluster is the right one, make the wallet or the PSBT again with what `keymoot key xpub` prints.";
    NOT_CONFIRMED = "E2705", 3, "nobody has confirmed it",
        "What cannot be taken back is shown and has to be confirmed: a signature, the end of a key, whom the authority admits or \
         revokes. The answer was no, or there is no terminal at which to ask. Nothing was sent, signed or changed.",
        "Read what is shown, and answer y. In scripts, which have decided already, say --yes.";
    ETH_NOT_JSON = "E2801", 2, "what was sent to the signer is not JSON",
        "The body of a request to the Ethereum signer could not be read as JSON. In JSON-RPC its number is -32700. Nothing was \
         done.",
        "Compare what is sent with the specification of JSON-RPC 2.0; the message says where reading stopped.";
    ETH_NOT_A_REQUEST = "E2802", 2, "this is no request of JSON-RPC 2.0",
        "A request is an object with `jsonrpc`, `method`, perhaps `params` and `id`, each once; a batch is a list of 1 to 100 of \
         them. In JSON-RPC its number is -32600. Nothing was done.",
        "Correct what the message names. Longer batches are split by the libraries that make them.";
    ETH_BAD_PARAMS = "E2803", 2, "a parameter is not what the method takes",
        "A field is missing, has two meanings, is not in the one form that such a value has, stands against another, or is not \
         known. `field` in the data of the error names it. In JSON-RPC its number is -32602. Nothing was asked of the cluster, \
         and no presignature was used.",
        "Correct the field. Numbers are hex behind 0x without leading zeros; an address in two cases needs its checksum.";
    ETH_NO_METHOD = "E2804", 2, "the signer does not offer the method",
        "The signer answers what needs a key, and passes a list of methods that read on to the node behind. Others are refused, \
         since a node may sign with keys of its own or change what it does. In JSON-RPC its number is -32601. Nothing was done.",
        "If the method is harmless on your node, name it in `methods` of the signer's configuration.";
    ETH_NOT_OURS = "E2805", 3, "the account is not one of this signer",
        "No key of the cluster, at no path of the configuration, has this address. In JSON-RPC its number is 4100. Nothing was \
         signed.",
        "eth_accounts lists the accounts. `paths` and `keys` of the configuration say which there are.";
    ETH_WRONG_CHAIN = "E2806", 2, "this is for another chain",
        "A signer is for one chain, and the transaction or the domain of the typed data names another one. In JSON-RPC its \
         number is -32602. Nothing was signed.",
        "Ask the signer of that chain, or correct the chain in the application.";
    ETH_FEE_TOO_HIGH = "E2807", 3, "the fee is higher than is allowed",
        "All gas at the highest price would cost more than `fee_max` of the signer's configuration. Prices that were not said \
         come from the node behind, which may be wrong. In JSON-RPC its number is -32003. Nothing was signed.",
        "Look at the price of gas at another place. If it is right, raise `fee_max`; for prices of the node behind, raise \
         `price_max`, or `tip_max` for one that is paid whole.";
    ETH_TOO_LARGE = "E2808", 2, "what was sent to the signer is too large",
        "A body is read up to one mebibyte, and this one is longer: what lies beyond was not read, and nothing was done. Or the \
         answers to a batch would be too long together.",
        "Send less at once; a batch can be split.";
    ETH_NOT_ADMITTED = "E2809", 3, "whoever asks may not",
        "The signer was asked under a name that is not its own, by a web page, or without its token. Whoever may ask can have \
         things signed, so nobody else is let in. Nothing was read and nothing was done.",
        "A web page is named in `origins` of the configuration, a name of the host in `hosts`; the token of `token_file` comes \
         as `Authorization: Bearer …`.";
    ETH_NOT_STARTED = "E2810", 2, "the signer cannot start like this",
        "The node behind is of another chain than the signer is for, its address is none, an origin is none, the files for TLS do \
         not fit together, or it would listen elsewhere than on this machine without a token or in the clear. Nothing was started. A request is told the same when the node behind came late and \
         is of another chain.",
        "Correct what the message names. To listen elsewhere than on loopback it takes `tls_certificate` and `tls_key`, and \
         `token_file` or `client_ca`. `allow_plaintext = true` does without TLS, for networks that nobody else is in.";
    UNREACHABLE = "E5901", 5, "the gateway cannot be reached",
        "No connection to the gateway of this context, or none that proves to be it. If a request was \
         sent before, it may still be done: it has a fixed id, and asking again is safe.",
        "Check that the gateway runs and that the address in the context is right; `keymoot doctor` looks \
         closer.";
    NOT_READY = "E5902", 5, "the cluster cannot serve now",
        "The gateway answers, and says that it cannot serve: too few coordinators or nodes are there, or \
         the store does not answer. The message has its reasons.",
        "`keymoot node list` shows who is missing, `keymoot doctor` looks closer.";
    UNHEALTHY = "E5903", 5, "something is wrong with the cluster",
        "At least one check of `keymoot doctor` failed. Whether signatures can be made in spite of it, \
         `keymoot health` says.",
        "Each failed check says what to do.";
    ETH_SILENT = "E5904", 5, "the node behind the signer does not answer",
        "The node of the chain that stands behind the Ethereum signer gave no answer, or none that makes sense. In JSON-RPC its \
         number is -32603. What needs no node is still signed.",
        "See whether the node runs and whether `downstream` names it. Keys in that address are never shown.";
    ETH_IN_DOUBT = "E5905", 5, "it is not known whether the transaction was sent",
        "A signed transaction was given to the node behind, and no answer that settles it came, or another transaction seems to \
         have its nonce. It may be on the chain or never get there. In JSON-RPC its number is -32603. The same request again \
         is the same transaction for 15 minutes.",
        "Look for the hash in the data of the error before the same is sent again: otherwise it may be paid twice.";
    PENDING = "E2110", 4, "the request is not finished yet",
        "The request was admitted and goes on. Its id is in the message.",
        "Ask again with the same id; nothing is signed twice.";
    PROTOCOL = "E7001", 70, "a session of honest parties ended without a result",
        "A defect of keymoot: parties that all follow the protocol must succeed. No result was given out.",
        "Please report it with the whole output.";
    UNVERIFIED = "E7002", 70, "an independent library refuses a signature that we made",
        "A defect of keymoot, or of the library. Do not use the signature.",
        "Please report it with the whole output.";
    OUTPUT = "E7401", 74, "the output could not be written",
        "Whatever takes the output refused it: a full disk, or a device that is gone. What was asked may \
         have been done.",
        "Make room, or write elsewhere. A reader that leaves early, as `head` does, is no error.";
    RANDOMNESS = "E7402", 74, "the operating system gives no randomness",
        "Without randomness no key is safe, and so none was made.",
        "Check that the system is complete: a chroot needs /dev/urandom on old kernels.";
    PORT_IN_USE = "E7403", 74, "an address cannot be listened on",
        "Another process listens there, or the address is not one of this machine. The process was not \
         started.",
        "Stop the other process, or change `listen` (KEYMOOT_LISTEN). A coordinator's or gateway's new \
         address must also be in the cluster document.";
    DISK_FULL = "E7404", 74, "there is no room on the disk",
        "A write was refused because the disk or the quota is full. What is not durable is not spoken \
         about: nothing that depends on the write has left this process.",
        "Make room. A running node goes on by itself when there is room again.";
    CLOCK = "E7405", 74, "this machine's clock is off",
        "Requests, tokens and certificates live by the clock. It differs by more than 30 seconds from \
         what is certain.",
        "Synchronise the clock (chrony, systemd-timesyncd) and try again.";
    FILES = "E7406", 74, "the file system says no",
        "A file or directory could not be read or written. What was to be written there was not.",
        "Check owner, permissions and mount of the path in the message.";
    CHILD = "E7407", 74, "a process of this cluster ended",
        "A process that was started for this cluster ended by itself. The rest was stopped too, unless it \
         runs on without it.",
        "Its last lines are in the message; the whole log is in the directory `logs`.";
    START = "E7408", 74, "the process could not start",
        "A part of the process refused to start, for the reason in the message. Nothing was left running.",
        "Remove the reason and start again; starting again is always safe.";
    TIMEOUT = "E7409", 74, "the cluster did not become ready in time",
        "The processes run, but what was waited for did not happen in time. Everything that was started \
         was stopped.",
        "Look at the logs that the message names. A machine under heavy load may need `--patience \
         SECONDS`.";
}

/// The page of a code of this program.
pub fn own(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PAGES;

    #[test]
    fn every_page_has_a_code_of_its_own_and_says_something() {
        let codes: BTreeSet<_> = PAGES.iter().map(|page| page.code).collect();
        assert_eq!(codes.len(), PAGES.len());
        for page in PAGES {
            let digits = page.code.strip_prefix('E').expect("codes begin with E");
            assert!(digits.len() == 4 && digits.bytes().all(|c| c.is_ascii_digit()), "{page:?}");
            assert!(page.meaning.len() > 50 && page.remedy.len() > 20 && page.title.len() > 10, "{page:?}");
            assert!(page.exit != 0 && !page.title.ends_with('.'), "{page:?}");
        }
    }
}
