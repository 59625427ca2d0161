//! A line that is longer than it looks: passes connections on, each piece of them later by half a round trip.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process::pause;

/// How far somebody is away: the round trip.
#[derive(Clone, Copy, Debug)]
pub struct Distance {
    /// Who comes.
    pub from: IpAddr,
    /// The round trip.
    pub round_trip: Duration,
}

/// Passes all connections on, for as long as the process lives.
///
/// # Errors
/// The address is taken.
pub fn run(listen: &str, to: &str, distances: &[Distance]) -> Result<()> {
    let listener = TcpListener::bind(listen)?;
    println!("forwarding");
    for stream in listener.incoming() {
        let Ok(near) = stream else { continue };
        let from = near.peer_addr().map(|address| address.ip());
        let distance = from.ok().and_then(|from| distances.iter().find(|one| one.from == from));
        let delay = distance.map_or(Duration::ZERO, |one| one.round_trip / 2);
        let Ok(far) = TcpStream::connect(to) else { continue };
        let _ = near.set_nodelay(true);
        let _ = far.set_nodelay(true);
        if let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) {
            carry(near, far_too, delay);
            carry(far, near_too, delay);
        }
    }
    Ok(())
}

/// One direction: a thread that reads, and one that writes when it is time.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            let piece = buffer.get(..read).unwrap_or_default().to_vec();
            if read == 0 || sender.send((Instant::now() + delay, piece)).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        while let Some((due, piece)) = waiting.pop_front().or_else(|| receiver.recv().ok()) {
            waiting.extend(receiver.try_iter());
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                pause(left);
            }
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
