//! The authority's folder: whom it has admitted, whose keys it has revoked, and the document that it signs of both.
//! The document is what counts; the answers beside it only say what the next one is made of.

mod document;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keymoot_protocol::transcript::payload::PayloadHash;
use keymoot_wire::authority::{Authority, AuthorityError, Validity};
use keymoot_wire::cluster::{ClusterDocument, Hex, SignedDocument};
use keymoot_wire::identity::{PeerId, PeerRole, spki_sha256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::papers::{Admission, Answer, Invitation, Paper, read, write};
use super::{AUTHORITY_KEY, INVITATION};
use crate::explain::{
    CEREMONY_EXISTS, CEREMONY_FILE, CEREMONY_FOREIGN, CEREMONY_INCOMPLETE, CEREMONY_NAME, CEREMONY_REVOKED,
};
use crate::failure::{Failure, Trouble};
use crate::place::{AUTHORITY, CLUSTER, io_trouble, make_directory, read_secret, read_text, write_text};

/// Answers that were admitted, in the folder of the authority.
const JOINED: &str = "joined";
/// Their certificates.
const ISSUED: &str = "issued";
/// Answers that were put away, because their keys are revoked: NAME.1.join.json and so on.
const REVOKED: &str = "revoked";

/// What came of it.
pub struct Signed {
    /// The version of the cluster document.
    pub version: u64,
    /// The admissions that were written: for everybody whose key counts, since all get the same document.
    pub files: Vec<PathBuf>,
}

/// Somebody whose key was certified.
#[derive(Clone)]
pub struct Member {
    answer: Answer,
    certificate: String,
    /// SHA-256 of the key that was certified: what the document pins.
    pin: Hex<32>,
}

impl Member {
    fn new(answer: Answer, certificate: String) -> Result<Self, Failure> {
        Ok(Self { pin: pinned(&certificate)?, answer, certificate })
    }
}

/// The authority's folder, opened.
pub struct Office {
    folder: PathBuf,
    authority: Authority,
    pub invitation: Invitation,
}

impl Office {
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let invitation = read(&folder.join(INVITATION))?;
        if !folder.join(AUTHORITY_KEY).exists() {
            let what =
                format!("`{}` has no `{AUTHORITY_KEY}`, so it is no authority's folder", folder.display());
            let help = "run it in the folder that `keymoot init` made, or name that with --dir";
            return Err(Trouble::new(CEREMONY_FILE, what).undone("nothing was signed").help(help).into());
        }
        let key = read_secret(&folder.join(AUTHORITY_KEY))?;
        let key = std::str::from_utf8(&key).map_err(Failure::bug("the authority's key is not text"))?;
        let certificate = read_text(&folder.join(AUTHORITY))?;
        let authority = Authority::load(&certificate, key).map_err(|error| {
            let what = format!("`{}` does not hold the authority of a cluster", folder.display());
            Trouble::new(CEREMONY_FILE, what).undone("nothing was signed").because(error)
        })?;
        Ok(Self { folder: folder.to_owned(), authority, invitation })
    }

    /// Signs the document when all have answered, with these keys revoked beside those that are, and writes the admissions.
    pub fn complete(&self, revoking: &[Hex<32>]) -> Result<Signed, Failure> {
        let joined = self.members()?;
        let mut missing = self.invitation.members().filter(|name| !joined.contains_key(*name)).peekable();
        if missing.peek().is_some() {
            let what = "the cluster is not complete yet";
            let trouble = Trouble::new(CEREMONY_INCOMPLETE, what)
                .undone("what was given is kept; no document was written");
            return Err(missing
                .fold(trouble, |trouble, name| trouble.branch(format!("{name} has not answered")))
                .into());
        }
        let document = self.document(&joined, revoking)?;
        let signed = SignedDocument::sign(&document, &self.authority)
            .map_err(Failure::bug("the authority does not sign its own document"))?;
        let text = signed.to_text().map_err(Failure::bug("a signed document has no JSON"))?;
        write_text(&self.folder.join(CLUSTER), &text)?;
        let mut files = Vec::new();
        for Member { answer, certificate, pin } in joined.values() {
            let path = self.folder.join(format!("{}.admit.json", answer.name));
            if document.is_revoked(&pin.0) {
                // There is nothing to bring to somebody whose certificate nobody takes.
                remove(&path)?;
                continue;
            }
            let admission = Admission {
                format: Admission::FORMAT.to_owned(),
                name: answer.name.clone(),
                role: answer.role.clone(),
                certificate: certificate.clone(),
                cluster: signed.clone(),
            };
            write(&path, &admission)?;
            files.push(path);
        }
        Ok(Signed { version: document.version, files })
    }

    /// Whether an answer is one to this invitation.
    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        let name = &answer.name;
        if answer.cluster != self.invitation.cluster {
            let what = format!(
                "{} answers to the cluster {}, not {}",
                name, answer.cluster, self.invitation.cluster
            );
            let help =
                "bring it to the authority of that cluster, or name with --dir the folder of that authority";
            return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was written").help(help).into());
        }
        let role = self.invitation.seat(name, answer.client.as_ref().map(|client| client.role))?;
        let has_parts = answer.node.is_some() == (role == PeerRole::Node);
        if role.name() != answer.role || !has_parts {
            let what = format!("{name} is invited as a {role} and answers as something else");
            return Err(Trouble::new(CEREMONY_NAME, what).undone("nothing was written").into());
        }
        Ok(())
    }

    /// Whether an answer that was brought can be admitted: none of its keys is revoked, and nobody else has its name. In
    /// the place of a member whose TLS key is revoked comes the same member with a new one.
    pub fn receive(&self, answer: &Answer) -> Result<(), Failure> {
        self.check(answer)?;
        let name = &answer.name;
        let before = self.before()?;
        let is_revoked = |key: &[u8; 32]| before.as_ref().is_some_and(|before| before.is_revoked(key));
        if is_revoked(&requested(answer)?) {
            return Err(refuse_revoked(answer, "TLS key"));
        }
        let kept = self.kept(name)?;
        let is_replaced = kept.as_ref().map(requested).transpose()?.is_some_and(|key| is_revoked(&key));
        if let Some(parts) = &answer.client {
            let mut old = self.put_away()?;
            old.extend(kept.clone().filter(|_| is_replaced));
            if old.iter().any(|old| old.client.as_ref().is_some_and(|old| old.key == parts.key)) {
                return Err(refuse_revoked(answer, "request key"));
            }
        }
        match kept {
            Some(kept) if kept != *answer => self.succeed(&kept, answer, is_replaced),
            _ => Ok(()),
        }
    }

    /// Whether an answer can come in the place of the one that is kept.
    fn succeed(&self, kept: &Answer, answer: &Answer, is_replaced: bool) -> Result<(), Failure> {
        let name = &answer.name;
        let (what, help) = if kept.node != answer.node {
            let help = format!(
                "a node keeps its identity: `keymoot join … --new-tls-key` in its own directory. If that is gone for \
                 good, and its shares with it, remove `{}` and run this again",
                self.paper(name).display()
            );
            (format!("{name} was admitted with another identity"), help)
        } else if !is_replaced {
            let help = format!(
                "if that is right, first `keymoot revoke {name} --dir {}`, then run this again",
                self.folder.display()
            );
            (format!("{name} was admitted with other keys"), help)
        } else {
            return Ok(());
        };
        Err(Trouble::new(CEREMONY_EXISTS, what).undone("nothing was written").help(help).into())
    }

    /// Certifies the key of an answer. Nothing is written yet.
    pub fn certify(&self, answer: Answer, days: u32) -> Result<Member, Failure> {
        let refused = |error: AuthorityError| {
            let what = format!("the answer of {} cannot be certified", answer.name);
            Trouble::new(CEREMONY_FILE, what).because(error)
        };
        let role: PeerRole = answer.role.parse().map_err(Failure::bug("a checked role is none"))?;
        let id = PeerId::new(&self.invitation.cluster, role, &answer.name);
        let id = id.map_err(Failure::bug("a checked name is none"))?;
        let host = self.invitation.address(&answer.name).map(host);
        let names: Vec<String> = host.into_iter().collect();
        let certificate =
            self.authority.issue(&answer.csr, &id, &names, Validity::days(days)).map_err(refused)?;
        Member::new(answer, certificate)
    }

    /// Keeps an answer with its certificate. One that it replaces is put away.
    pub fn keep(&self, Member { answer, certificate, .. }: &Member) -> Result<(), Failure> {
        for part in [JOINED, ISSUED] {
            make_directory(&self.folder.join(part))?;
        }
        if let Some(old) = self.kept(&answer.name)?.filter(|old| old != answer) {
            write(&self.place_for_old(&answer.name)?, &old)?;
        }
        write_text(&self.issued(&answer.name), certificate)?;
        write(&self.paper(&answer.name), answer)
    }

    /// Puts away what was kept of a client, so that no later document has it again.
    pub fn expel(&self, name: &str) -> Result<(), Failure> {
        let paper = self.paper(name);
        fs::rename(&paper, self.place_for_old(name)?)
            .map_err(|error| io_trouble(&paper, "cannot be put away", error))?;
        remove(&self.issued(name))
    }

    /// The answer of this name that was admitted. The name has to be one.
    pub fn kept(&self, name: &str) -> Result<Option<Answer>, Failure> {
        let paper = self.paper(name);
        if paper.exists() { read(&paper).map(Some) } else { Ok(None) }
    }

    /// Whether an answer of this name was put away.
    pub fn was_expelled(&self, name: &str) -> bool {
        self.old(name, 1).exists()
    }

    /// The certified TLS keys of a member, as the document has them, and as the next one would.
    pub fn keys(
        &self,
        document: &ClusterDocument,
        role: PeerRole,
        name: &str,
    ) -> Result<Vec<Hex<32>>, Failure> {
        let mut keys = document.pins(role, name).unwrap_or_default().to_vec();
        let next = pinned(&self.certificate(name)?)?;
        if !keys.contains(&next) {
            keys.push(next);
        }
        Ok(keys)
    }

    fn paper(&self, name: &str) -> PathBuf {
        self.folder.join(JOINED).join(format!("{name}.join.json"))
    }

    fn issued(&self, name: &str) -> PathBuf {
        self.folder.join(ISSUED).join(format!("{name}.pem"))
    }

    fn old(&self, name: &str, number: usize) -> PathBuf {
        self.folder.join(REVOKED).join(format!("{name}.{number}.join.json"))
    }

    fn place_for_old(&self, name: &str) -> Result<PathBuf, Failure> {
        make_directory(&self.folder.join(REVOKED))?;
        let mut places = (1..).map(|number| self.old(name, number));
        places.find(|place| !place.exists()).ok_or(Failure::Broken("numbers end"))
    }

    /// All answers that were put away.
    fn put_away(&self) -> Result<Vec<Answer>, Failure> {
        papers(&self.folder.join(REVOKED))?.iter().map(|path| read(path)).collect()
    }

    fn certificate(&self, name: &str) -> Result<String, Failure> {
        read_text(&self.issued(name))
    }

    /// All who were admitted so far, by name.
    fn members(&self) -> Result<BTreeMap<String, Member>, Failure> {
        let members = papers(&self.folder.join(JOINED))?.into_iter().map(|path| {
            let answer: Answer = read(&path)?;
            self.check(&answer)?;
            let certificate = self.certificate(&answer.name)?;
            Ok((answer.name.clone(), Member::new(answer, certificate)?))
        });
        members.collect()
    }
}

/// SHA-256 of the key of a certificate.
fn pinned(certificate: &str) -> Result<Hex<32>, Failure> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes());
    let der = der.map_err(Failure::bug("a certificate of ours is none"))?;
    let digest = spki_sha256(&der).map_err(Failure::bug("a certificate of ours has no key"))?;
    Ok(Hex(digest))
}

/// The host of `https://host:port`, as certificates name it.
fn host(address: &str) -> String {
    let bare = address.strip_prefix("https://").unwrap_or(address);
    let host = bare.rsplit_once(':').map_or(bare, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// SHA-256 of the key that an answer wants certified, as the document lists it.
fn requested(answer: &Answer) -> Result<[u8; 32], Failure> {
    let what = || format!("the answer of {} has no request for a certificate", answer.name);
    let refused = || Failure::from(Trouble::new(CEREMONY_FILE, what()).undone("nothing was written"));
    let (_, pem) = x509_parser::pem::parse_x509_pem(answer.csr.as_bytes()).map_err(|_| refused())?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).map_err(|_| refused())?;
    Ok(PayloadHash::Sha256.of(request.certification_request_info.subject_pki.raw))
}

fn refuse_revoked(answer: &Answer, which: &str) -> Failure {
    let Answer { name, client, .. } = answer;
    let what = format!("the {which} in the answer of {name} is revoked");
    let help = if client.is_some() {
        format!(
            "if {name} is to come back: `keymoot join` in an empty directory draws new keys; admit that answer"
        )
    } else {
        format!(
            "`keymoot join … --as {name} --new-tls-key` in its directory draws another; admit that answer"
        )
    };
    Trouble::new(CEREMONY_REVOKED, what).undone("nothing was signed").help(help).into()
}

/// The answers in a folder, in order. One that is not there has none.
fn papers(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let unread = |error| io_trouble(folder, "cannot be read", error);
    let entries = fs::read_dir(folder).map_err(unread)?;
    let mut paths =
        entries.map(|entry| Ok(entry.map_err(unread)?.path())).collect::<Result<Vec<_>, Failure>>()?;
    paths.retain(|path| path.to_string_lossy().ends_with(".join.json"));
    paths.sort();
    Ok(paths)
}

/// Removes a file that may be there.
fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_trouble(path, "cannot be removed", error))
        }
        _ => Ok(()),
    }
}
