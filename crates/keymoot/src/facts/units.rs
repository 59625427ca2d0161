//! Amounts as people write them. Exact: nothing is rounded but what says "about".

use keymoot_chains::Amount;

/// Smallest units in units of ten to the power of `decimals`; with all decimals, or without zeros at the end.
fn decimal(amount: &Amount, decimals: usize, is_long: bool) -> String {
    let padded = format!("{:0>width$}", amount.digits(), width = decimals + 1);
    let (whole, part) = padded.split_at(padded.len() - decimals);
    let part = if is_long { part } else { part.trim_end_matches('0') };
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// Satoshi.
pub fn btc(amount: &Amount) -> String {
    format!("{} BTC", decimal(amount, 8, true))
}

/// Wei, on a chain with this number. Not every chain's coin is ether.
pub fn wei(amount: &Amount, chain: Option<u64>) -> String {
    let number = decimal(amount, 18, false);
    match chain {
        // Ethereum and its test networks, Optimism, Base, Arbitrum, and chains of developers.
        Some(1 | 10 | 8453 | 42161 | 17_000 | 560_048 | 11_155_111 | 31_337) => format!("{number} ETH"),
        Some(chain) => format!("{number} coins of chain {chain}"),
        None => format!("{number} coins"),
    }
}

/// Wei for a unit of gas.
pub fn gwei(amount: &Amount) -> String {
    format!("{} gwei", decimal(amount, 9, false))
}

/// Lamports.
pub fn sol(amount: &Amount) -> String {
    format!("{} SOL", decimal(amount, 9, false))
}

/// As a number of the machine; what is larger is as large as it can be.
pub fn number(amount: &Amount) -> u128 {
    amount.digits().parse().unwrap_or(u128::MAX)
}

/// Tenths, as in `7.1`.
pub fn tenths(tenths: u128) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::{btc, gwei, sol, tenths, wei};
    use keymoot_chains::Amount;

    #[test]
    fn amounts_are_exact_at_both_ends() {
        let of = |number: u128| Amount::from(number);
        assert_eq!(btc(&of(0)), "0.00000000 BTC");
        assert_eq!(btc(&of(1)), "0.00000001 BTC");
        assert_eq!(btc(&of(2_100_000_000_000_000)), "21000000.00000000 BTC");
        assert_eq!(wei(&of(0), Some(1)), "0 ETH");
        assert_eq!(wei(&of(1), Some(137)), "0.000000000000000001 coins of chain 137");
        assert_eq!(wei(&of(1_500_000_000_000_000_000), Some(1)), "1.5 ETH");
        assert_eq!(wei(&of(u128::MAX), None), "340282366920938463463.374607431768211455 coins");
        assert_eq!((gwei(&of(20_000_000_000)), sol(&of(5_000))), ("20 gwei".into(), "0.000005 SOL".into()));
        assert_eq!((tenths(71), tenths(0), tenths(1005)), ("7.1".into(), "0.0".into(), "100.5".into()));
    }
}
