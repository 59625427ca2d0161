//! Calls of token contracts: ERC-20, ERC-721, ERC-1155, ERC-2612.

use alloy_primitives::{Address, U256};

use super::abi::{self, Multi, Nft, NftHook, dai};
use super::account::text;
use super::call::{Gathered, Meaning, Raw, arguments, is_unlimited};
use crate::facts::{Allowance, Amount, Asset, Danger, Outflow};

/// The most tokens in one transfer of ERC-1155.
const BATCH_MAX: usize = 256;

/// `None`: no call of a token.
pub(super) fn read(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    transfer(gathered, raw).or_else(|| numbered(gathered, raw)).or_else(|| allowance(gathered, raw))
}

fn transfer(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    let token = text(&raw.to);
    if let Some(call) = arguments::<abi::transferCall>(raw.calldata) {
        return Some(gathered.moves(raw.from, call.to, Asset::Erc20 { token }, call.amount));
    }
    let call = arguments::<abi::transferFromCall>(raw.calldata)?;
    Some(gathered.moves(call.from, call.to, Asset::Erc20OrErc721 { token }, call.amountOrId))
}

fn numbered(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    let token = || text(&raw.to);
    let nft = |id| Asset::Erc721 { token: token(), id: Amount::wide(id) };
    let multi = |id| Asset::Erc1155 { token: token(), id: Amount::wide(id) };
    if let Some(call) = arguments::<Nft::safeTransferFromCall>(raw.calldata) {
        return Some(gathered.moves(call.from, call.to, nft(call.id), U256::ONE));
    }
    // What goes into the receiver's hook is for the receiver's code: nobody here knows what it makes of it.
    if let Some(call) = arguments::<NftHook::safeTransferFromCall>(raw.calldata) {
        return call.hook.is_empty().then(|| gathered.moves(call.from, call.to, nft(call.id), U256::ONE));
    }
    if let Some(call) = arguments::<Multi::safeTransferFromCall>(raw.calldata) {
        return call.hook.is_empty().then(|| gathered.moves(call.from, call.to, multi(call.id), call.amount));
    }
    let call = arguments::<Multi::safeBatchTransferFromCall>(raw.calldata)?;
    if call.ids.len() != call.amounts.len() || call.ids.len() > BATCH_MAX || !call.hook.is_empty() {
        return None;
    }
    for (id, amount) in call.ids.iter().zip(&call.amounts) {
        gathered.moves(call.from, call.to, multi(*id), *amount);
    }
    Some(Meaning::TokenTransfer)
}

fn allowance(gathered: &mut Gathered, raw: Raw<'_>) -> Option<Meaning> {
    if let Some(call) = arguments::<abi::approveCall>(raw.calldata) {
        return Some(gathered.allows(raw.from, call.spender, raw.to, Some(call.amountOrId)));
    }
    if let Some(call) = arguments::<abi::increaseAllowanceCall>(raw.calldata) {
        return Some(gathered.allows(raw.from, call.spender, raw.to, Some(call.addedValue)));
    }
    if arguments::<abi::decreaseAllowanceCall>(raw.calldata).is_some() {
        return Some(Meaning::TokenAllowance);
    }
    if let Some(call) = arguments::<abi::setApprovalForAllCall>(raw.calldata) {
        let amount = if call.approved { None } else { Some(U256::ZERO) };
        return Some(gathered.allows(raw.from, call.operator, raw.to, amount));
    }
    if let Some(call) = arguments::<abi::permitCall>(raw.calldata) {
        return Some(gathered.allows(call.owner, call.spender, raw.to, Some(call.value)));
    }
    let call = arguments::<dai::permitCall>(raw.calldata)?;
    let amount = if call.allowed { None } else { Some(U256::ZERO) };
    Some(gathered.allows(call.holder, call.spender, raw.to, amount))
}

impl Gathered {
    fn moves(&mut self, from: Address, to: Address, asset: Asset, amount: U256) -> Meaning {
        let amount = Amount::wide(amount);
        self.outflows.push(Outflow { from: Some(text(&from)), to: text(&to), asset, amount });
        Meaning::TokenTransfer
    }

    /// Notes that `spender` may take so much of the owner's; `None`: all, for ever.
    pub(super) fn allows(
        &mut self,
        owner: Address,
        spender: Address,
        token: Address,
        amount: Option<U256>,
    ) -> Meaning {
        let unlimited = amount.is_none_or(is_unlimited);
        if unlimited {
            self.dangers.insert(Danger::UnlimitedAllowance);
        }
        self.allowances.push(Allowance {
            owner: text(&owner),
            spender: text(&spender),
            token: text(&token),
            amount: amount.map(Amount::wide),
            unlimited,
        });
        Meaning::TokenAllowance
    }
}
