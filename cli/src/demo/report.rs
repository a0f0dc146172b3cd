//! What the demo says in the end.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use penstock_worker::ledger::Counts;
use serde_json::json;
use url::Url;

use crate::{send::Sent, simulate::partner::Stats};

/// The partner's record, inside the demo's folder.
pub(super) const RECORD: &str = "partner.jsonl";

/// What happened.
pub(super) struct Account {
    sent: Vec<Sent>,
    counts: Counts,
    partner: Stats,
    /// Messages still waiting or in flight.
    left: u64,
}

impl Account {
    pub(super) fn new(sent: Vec<Sent>, counts: Counts, partner: Stats, left: u64) -> Self {
        Self { sent, counts, partner, left }
    }

    /// Every message was taken; every item has one outcome; the partner has as many items as were delivered.
    pub(super) fn adds_up(&self) -> bool {
        self.sent.iter().all(Sent::is_taken)
            && self.left == 0
            && self.ledger_adds_up()
            && self.partner_agrees()
    }

    fn ledger_adds_up(&self) -> bool {
        let counts = &self.counts;
        counts.first_seen == counts.delivered + counts.filtered + counts.dead_lettered
    }

    /// What the partner counted, repetitions aside, is what the worker calls delivered.
    fn partner_agrees(&self) -> bool {
        self.partner.total.distinct_keys == self.counts.delivered
    }

    pub(super) fn print(&self, as_json: bool, folder: &Path, stays: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            return writeln!(out, "{}", self.json());
        }
        writeln!(out, "Sent to the ingress, as mParticle would:")?;
        for sent in &self.sent {
            let status = sent.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let answer = sent.answer_type.as_deref().unwrap_or("-");
            writeln!(out, "  {:<48} {status:>4} {:>5} ms  {answer}", sent.file, sent.ms)?;
        }
        writeln!(out, "\nReceived by the partner:")?;
        for (path, counts) in &self.partner.paths {
            writeln!(out, "  {path:<48} {:>4} calls {:>4} items", counts.requests, counts.items)?;
        }
        self.print_ledger(&mut out)?;
        if stays {
            writeln!(out, "\nWhere to look next:")?;
            writeln!(out, "  every request the partner got   {}", folder.join(RECORD).display())?;
            writeln!(
                out,
                "  what was set aside              penstock dead-letters list --data-dir {}",
                folder.display()
            )?;
        } else {
            writeln!(
                out,
                "\nWhere to look next: run it with --data-dir DIR to keep the partner's record and the queue, or with"
            )?;
            writeln!(
                out,
                "--keep to send messages of your own. The README shows how to write your first partner.toml."
            )?;
        }
        Ok(())
    }

    fn print_ledger(&self, out: &mut impl io::Write) -> io::Result<()> {
        let Counts { first_seen, delivered, filtered, dead_lettered, requeued, .. } = self.counts;
        let in_flight = first_seen.saturating_sub(delivered + filtered + dead_lettered);
        let verdict = |fine: bool| if fine { "adds up" } else { "DOES NOT ADD UP" };
        writeln!(out, "\nThe ledger, item by item:")?;
        writeln!(
            out,
            "  received {first_seen} = delivered {delivered} + filtered {filtered} + dead-lettered {dead_lettered} + in flight {in_flight}   {}",
            verdict(self.ledger_adds_up() && self.left == 0)
        )?;
        writeln!(
            out,
            "  the partner has {} items, each once   {}   (put back to wait or try again on the way: {requeued})",
            self.partner.total.distinct_keys,
            verdict(self.partner_agrees())
        )
    }

    fn json(&self) -> serde_json::Value {
        let messages: Vec<_> = self
            .sent
            .iter()
            .map(|sent| json!({ "message": sent.file, "status": sent.status, "ms": sent.ms, "tries": sent.tries, "answer": sent.answer_type }))
            .collect();
        json!({
            "messages": messages,
            "partner": self.partner,
            "ledger": self.counts,
            "left": self.left,
            "adds_up": self.adds_up(),
        })
    }
}

/// Says how to go on while everything is left running.
pub(super) fn keep(url: &Url, admin: &SocketAddr, partner: &SocketAddr, token: &str, folder: &Path) {
    eprintln!("\nStill running; Ctrl-C ends it.");
    eprintln!("  send a message   penstock send --url {url} --token {token} MESSAGE.json");
    eprintln!("  metrics          curl http://{admin}/metrics");
    eprintln!("  the partner      curl http://{partner}/_stats");
    eprintln!("  its record       tail -f {}", folder.join(RECORD).display());
}
