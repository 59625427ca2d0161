//! Several hosts on one machine: network namespaces on a bridge, which only this process has made and which go with it.

use std::process::Command;

use anyhow::{Result, bail};

/// The hosts 10.77.0.1, 10.77.0.2 and so on.
pub struct Hosts {
    prefix: String,
    count: u8,
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())
}

impl Hosts {
    /// Makes so many hosts.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn make(count: u8) -> Result<Self> {
        let hosts = Self { prefix: format!("km{}", std::process::id() % 10_000), count };
        let hub = hosts.hub();
        ip(&format!("netns add {hub}"))?;
        ip(&format!("netns exec {hub} ip link add bridge type bridge"))?;
        ip(&format!("netns exec {hub} ip link set bridge up"))?;
        for number in 1..=count {
            let (host, line) = (hosts.name(number), format!("{}l{number}", hosts.prefix));
            ip(&format!("netns add {host}"))?;
            ip(&format!("link add {line} netns {hub} type veth peer name eth0 netns {host}"))?;
            ip(&format!("netns exec {hub} ip link set {line} master bridge up"))?;
            ip(&format!("netns exec {host} ip addr add 10.77.0.{number}/24 dev eth0"))?;
            ip(&format!("netns exec {host} ip link set eth0 up"))?;
            ip(&format!("netns exec {host} ip link set lo up"))?;
        }
        Ok(hosts)
    }

    fn hub(&self) -> String {
        format!("{}hub", self.prefix)
    }

    fn name(&self, number: u8) -> String {
        format!("{}h{number}", self.prefix)
    }

    /// What is in front of a command that runs on this host.
    #[must_use]
    pub fn on(&self, number: u8) -> Vec<String> {
        ["ip", "netns", "exec"].map(str::to_owned).into_iter().chain([self.name(number)]).collect()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for number in 1..=self.count {
            let _ = ip(&format!("netns del {}", self.name(number)));
        }
        let _ = ip(&format!("netns del {}", self.hub()));
    }
}
