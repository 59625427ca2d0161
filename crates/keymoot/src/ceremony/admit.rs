//! `keymoot admit`: the authority looks at answers, certifies keys, and when all members are there, writes and signs the
//! cluster document.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keymoot_wire::authority::{Authority, AuthorityError, Validity};
use keymoot_wire::cluster::{
    ClientEntry, ClusterDocument, ClusterFields, CoordinatorEntry, FORMAT, GatewayEntry, Hex, NodeEntry,
    SignedDocument,
};
use keymoot_wire::identity::{PeerId, PeerRole, spki_sha256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::papers::{Admission, Answer, Invitation, Paper, fingerprint, read, write};
use super::{AUTHORITY_KEY, INVITATION};
use crate::explain::{CEREMONY_EXISTS, CEREMONY_FILE, CEREMONY_FOREIGN, CEREMONY_INCOMPLETE, CEREMONY_NAME};
use crate::failure::{Failure, Trouble};
use crate::place::{AUTHORITY, CLUSTER, make_directory, read_secret, read_text, write_text};

/// Answers that were admitted, in the folder of the authority.
const JOINED: &str = "joined";
/// Their certificates.
const ISSUED: &str = "issued";

/// What came of it.
pub struct Admitted {
    /// Name, role and fingerprint of each new answer.
    pub answers: Vec<(String, String, String)>,
    /// The version of the cluster document.
    pub version: u64,
    /// The admissions that were written: for everybody, since all get the same document.
    pub files: Vec<PathBuf>,
}

/// The authority's folder, opened.
struct Office {
    folder: PathBuf,
    authority: Authority,
    invitation: Invitation,
}

/// Admits those who answered in these files.
pub fn admit(folder: &Path, files: &[PathBuf], days: u32) -> Result<Admitted, Failure> {
    let office = Office::open(folder)?;
    let mut answers = Vec::new();
    // All are looked at before anything is written.
    let fresh: Vec<Answer> = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    for answer in &fresh {
        office.check(answer)?;
        answers.push((answer.name.clone(), answer.role.clone(), fingerprint(answer)?));
    }
    for answer in &fresh {
        office.certify(answer, days)?;
    }
    let joined = office.joined()?;
    let mut missing = office.invitation.members().filter(|name| !joined.contains_key(*name)).peekable();
    if missing.peek().is_some() {
        let what = "the cluster is not complete yet";
        let trouble =
            Trouble::new(CEREMONY_INCOMPLETE, what).undone("what was given is kept; no document was written");
        return Err(missing
            .fold(trouble, |trouble, name| trouble.branch(format!("{name} has not answered")))
            .into());
    }
    let document = office.document(&joined)?;
    let signed = SignedDocument::sign(&document, &office.authority)
        .map_err(Failure::bug("the authority does not sign its own document"))?;
    let text = signed.to_text().map_err(Failure::bug("a signed document has no JSON"))?;
    write_text(&folder.join(CLUSTER), &text)?;
    let mut files = Vec::new();
    for answer in joined.values() {
        let admission = Admission {
            format: Admission::FORMAT.to_owned(),
            name: answer.name.clone(),
            role: answer.role.clone(),
            certificate: office.certificate(&answer.name)?,
            cluster: signed.clone(),
        };
        let path = folder.join(format!("{}.admit.json", answer.name));
        write(&path, &admission)?;
        files.push(path);
    }
    Ok(Admitted { answers, version: document.version, files })
}

impl Office {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let invitation = read(&folder.join(INVITATION))?;
        let key = read_secret(&folder.join(AUTHORITY_KEY))?;
        let key = std::str::from_utf8(&key).map_err(Failure::bug("the authority's key is not text"))?;
        let certificate = read_text(&folder.join(AUTHORITY))?;
        let authority = Authority::load(&certificate, key).map_err(|error| {
            let what = format!("`{}` does not hold the authority of a cluster", folder.display());
            Trouble::new(CEREMONY_FILE, what).undone("nothing was written").because(error)
        })?;
        Ok(Self { folder: folder.to_owned(), authority, invitation })
    }

    /// Whether an answer is one to this invitation, and no other of that name is here.
    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        let name = &answer.name;
        if answer.cluster != self.invitation.cluster {
            let what = format!(
                "{} answers to the cluster {}, not {}",
                name, answer.cluster, self.invitation.cluster
            );
            return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was written").into());
        }
        let role = self.invitation.seat(name, answer.client.as_ref().map(|client| client.role))?;
        let has_parts = answer.node.is_some() == (role == PeerRole::Node);
        if role.name() != answer.role || !has_parts {
            let what = format!("{name} is invited as a {role} and answers as something else");
            return Err(Trouble::new(CEREMONY_NAME, what).undone("nothing was written").into());
        }
        let kept = self.paper(name);
        if kept.exists() && read::<Answer>(&kept)? != *answer {
            let what = format!("{name} was admitted with other keys");
            let help =
                format!("if the old keys are gone for good, remove `{}` and run this again", kept.display());
            return Err(Trouble::new(CEREMONY_EXISTS, what).undone("nothing was written").help(help).into());
        }
        Ok(())
    }

    /// Certifies the key of an answer, and keeps the answer.
    fn certify(&self, answer: &Answer, days: u32) -> Result<(), Failure> {
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
        for part in [JOINED, ISSUED] {
            make_directory(&self.folder.join(part))?;
        }
        write_text(&self.folder.join(ISSUED).join(format!("{}.pem", answer.name)), &certificate)?;
        write(&self.paper(&answer.name), answer)
    }

    fn paper(&self, name: &str) -> PathBuf {
        self.folder.join(JOINED).join(format!("{name}.join.json"))
    }

    fn certificate(&self, name: &str) -> Result<String, Failure> {
        read_text(&self.folder.join(ISSUED).join(format!("{name}.pem")))
    }

    /// SHA-256 of the key that was certified: what the document pins.
    fn pin(&self, name: &str) -> Result<Vec<Hex<32>>, Failure> {
        let pem = self.certificate(name)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(Failure::bug("a certificate of ours is none"))?;
        let digest = spki_sha256(&der).map_err(Failure::bug("a certificate of ours has no key"))?;
        Ok(vec![Hex(digest)])
    }

    /// All answers that were admitted so far, by name.
    fn joined(&self) -> Result<BTreeMap<String, Answer>, Failure> {
        let entries = fs::read_dir(self.folder.join(JOINED)).into_iter().flatten().flatten();
        let answers = entries.map(|entry| {
            let answer: Answer = read(&entry.path())?;
            self.check(&answer)?;
            Ok((answer.name.clone(), answer))
        });
        answers.collect()
    }

    /// The document of everybody; its version counts up if anything is new.
    fn document(&self, joined: &BTreeMap<String, Answer>) -> Result<ClusterDocument, Failure> {
        let before = self.folder.join(CLUSTER);
        let before = if before.exists() {
            let signed = SignedDocument::parse(&read_text(&before)?);
            let signed = signed.and_then(|signed| signed.verify(self.authority.certificate_pem()));
            Some(signed.map_err(|error| {
                let what = format!("`{}` is not our own document any more", before.display());
                Trouble::new(CEREMONY_FILE, what).undone("no document was written").because(error)
            })?)
        } else {
            None
        };
        let mut fields = self.fields(joined)?;
        if let Some(before) = &before {
            // What was changed by hand and signed, stays.
            fields.issuers = before.issuers.clone();
            fields.revoked = before.revoked.clone();
            fields.version = before.version;
            if fields != *before.fields() {
                fields.version += 1;
            }
        }
        ClusterDocument::new(fields).map_err(|error| {
            let trouble = Trouble::new(CEREMONY_FILE, "these answers do not make a cluster");
            trouble.undone("no document was written").because(error).into()
        })
    }

    fn fields(&self, joined: &BTreeMap<String, Answer>) -> Result<ClusterFields, Failure> {
        let Invitation { cluster, group, threshold, policy, .. } = &self.invitation;
        let mut nodes = Vec::new();
        for (index, name) in (1..).zip(&self.invitation.nodes) {
            let parts = joined.get(name).and_then(|answer| answer.node.clone());
            let parts = parts.ok_or(Failure::Broken("a node that has answered has no keys"))?;
            let (name, tls) = (name.clone(), self.pin(name)?);
            nodes.push(NodeEntry { name, index, identity: parts.identity, seal: parts.seal, tls });
        }
        let mut coordinators = Vec::new();
        for seat in &self.invitation.coordinators {
            let (name, address, tls) = (seat.name.clone(), seat.address.clone(), self.pin(&seat.name)?);
            coordinators.push(CoordinatorEntry { name, address, tls });
        }
        let mut gateways = Vec::new();
        for seat in &self.invitation.gateways {
            let (name, address, tls) = (seat.name.clone(), seat.address.clone(), self.pin(&seat.name)?);
            gateways.push(GatewayEntry { name, address, tls });
        }
        let mut clients = Vec::new();
        for answer in joined.values() {
            if let Some(parts) = &answer.client {
                let (name, tls) = (answer.name.clone(), self.pin(&answer.name)?);
                clients.push(ClientEntry { name, role: parts.role, key: parts.key, tls });
            }
        }
        Ok(ClusterFields {
            format: FORMAT.to_owned(),
            version: 1,
            cluster: cluster.clone(),
            group: group.clone(),
            threshold: *threshold,
            nodes,
            coordinators,
            gateways,
            clients,
            issuers: Vec::new(),
            authority: self.authority.certificate_pem().to_owned(),
            revoked: Vec::new(),
            policy: *policy,
        })
    }
}

/// The host of `https://host:port`, as certificates name it.
fn host(address: &str) -> String {
    let bare = address.strip_prefix("https://").unwrap_or(address);
    let host = bare.rsplit_once(':').map_or(bare, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}
