//! `keymoot admit`: the authority looks at answers, certifies keys, and when all members are there, writes and signs the
//! cluster document.

use std::path::{Path, PathBuf};

use keymoot_wire::cluster::Role;

use super::office::{Office, Signed};
use super::papers::{Answer, fingerprint, read};
use crate::explain::CEREMONY_ROLE;
use crate::failure::{Failure, Trouble};

/// Somebody who has answered, and what it asks for.
pub struct Applicant {
    pub name: String,
    /// As in a SPIFFE URI.
    pub role: String,
    /// What a client wants to do.
    pub client_role: Option<Role>,
    /// To be compared with what its host has printed.
    pub fingerprint: String,
}

/// The authority with answers before it. Nothing is signed yet.
pub struct Hearing {
    office: Office,
    answers: Vec<Answer>,
    /// In the order of the files.
    pub applicants: Vec<Applicant>,
}

impl Hearing {
    /// Looks at all answers before anything is written.
    pub fn open(folder: &Path, files: &[PathBuf]) -> Result<Self, Failure> {
        let office = Office::open(folder)?;
        let answers: Vec<Answer> = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
        let mut applicants = Vec::new();
        for answer in &answers {
            office.receive(answer)?;
            applicants.push(Applicant {
                name: answer.name.clone(),
                role: answer.role.clone(),
                client_role: answer.client.as_ref().map(|client| client.role),
                fingerprint: fingerprint(answer)?,
            });
        }
        Ok(Self { office, answers, applicants })
    }

    /// Admits them for so many days. Clients choose their own roles; whoever wants more than to ask for signatures must
    /// be allowed to, by name and role, unless it was admitted with this very answer before.
    pub fn admit(self, allowed: &[(String, Role)], days: u32) -> Result<Signed, Failure> {
        let Self { office, answers, applicants } = self;
        let mut refused = Vec::new();
        for (applicant, answer) in applicants.iter().zip(&answers) {
            let Some(role) = applicant.client_role.filter(|role| *role > Role::Requester) else { continue };
            let is_allowed =
                allowed.iter().any(|(name, allowed)| *name == applicant.name && *allowed == role);
            if !is_allowed && office.kept(&applicant.name)?.as_ref() != Some(answer) {
                refused.push(format!("{}={role}", applicant.name));
            }
        }
        if !refused.is_empty() {
            let what = format!("it was not allowed to admit {}", refused.join(", "));
            let help = format!("if it is right: --allow {}", refused.join(" --allow "));
            return Err(Trouble::new(CEREMONY_ROLE, what).undone("nothing was signed").help(help).into());
        }
        for (name, role) in allowed {
            let is_asked = |one: &Applicant| one.name == *name && one.client_role == Some(*role);
            if !applicants.iter().any(is_asked) {
                let what = format!("--allow {name}={role} fits none of the answers");
                return Err(Trouble::new(CEREMONY_ROLE, what).undone("nothing was signed").into());
            }
        }
        let certified: Vec<_> =
            answers.into_iter().map(|answer| office.certify(answer, days)).collect::<Result<_, _>>()?;
        // One that makes no document would keep everybody after it out of the next one.
        office.try_out(&certified)?;
        for member in &certified {
            office.keep(member)?;
        }
        office.complete(&[])
    }
}
