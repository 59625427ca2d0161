//! Limits on length: what does not fit a reader's head is split.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Source;
use crate::finding::Finding;

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// A file is too long. The unit tests at its end do not count.
pub(super) fn file(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    if lines > FILE_LINES {
        let what =
            format!("{lines} lines (at most {FILE_LINES}: split the file by what its parts are about)");
        findings.push(Finding::new(&source.path, lines, what));
    }
}

/// A function is too long, from its `fn` to its closing brace.
pub(super) fn functions(source: &Source, findings: &mut Vec<Finding>) {
    Functions { source, findings }.visit_file(&source.syntax);
}

struct Functions<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span().start().line;
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES {
            let name = &signature.ident;
            let what = format!("`{name}` has {lines} lines (at most {FUNCTION_LINES}: give its steps names)");
            self.findings.push(Finding::new(&self.source.path, first, what));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
