use super::extend::in_force;
use crate::{
    command::{query_value, rows, tampered},
    control::Control,
    failure::Failure,
    output::{Output, count, seconds},
    table::Table,
};
use api::certificate::ExpiringPage;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Expiring {
    /// Within so many days (10d) or hours (36h)
    #[arg(long, value_name = "TIME", default_value = "10d", value_parser = span)]
    within: u64,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = rows())]
    limit: u32,
    /// Only those behind this place, as `more` named it
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
}

/// Days or hours, in seconds.
fn span(text: &str) -> Result<u64, String> {
    let unit = |end: char, seconds: u64| {
        let number = text.strip_suffix(end)?.parse::<u32>().ok()?;
        Some(u64::from(number) * seconds)
    };
    unit('d', 24 * 3600)
        .or_else(|| unit('h', 3600))
        .ok_or_else(|| "write days as 10d, or hours as 36h".into())
}

impl Expiring {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/certificates/expiring?within_s={}&limit={}", self.within, self.limit);
        if let Some(after) = &self.after {
            path += &format!("&after={}", query_value(after)?);
        }
        let page: ExpiringPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if !output.is_json() {
            page.extension.iter().for_each(|one| output.note(&format!("note: {}", in_force(one))));
            page.not_issuing.iter().for_each(|why| output.note(&ca_down(&page, why)));
            page.next.iter().for_each(|next| output.note(&format!("more: add --after {next}")));
        }
        tampered::conclude(&page.tampered, output)
    }
}

fn total(page: &ExpiringPage) -> String {
    let all = page.days.iter().map(|day| day.certificates).sum();
    let ends = if all == 1 { "ends" } else { "end" };
    format!("{} of units {ends} by {}", count(all, "certificate"), seconds(page.until))
}

fn ca_down(page: &ExpiringPage, why: &str) -> String {
    format!("warning: CA down: {}\n  why: {why}", total(page))
}

/// Where there are more than one page has, how many there are on which day comes first.
fn list(page: &ExpiringPage) -> String {
    let mut text = format!("{}\n", total(page));
    if page.next.is_some() {
        let mut days = Table::new(&["DAY", "CERTIFICATES"]);
        page.days.iter().for_each(|day| days.row([day.day.clone(), day.certificates.to_string()]));
        text += &format!("\n{days}");
    }
    if !page.certificates.is_empty() {
        let mut table = Table::new(&["DEVICE", "STATE", "SERIAL", "NOT AFTER"]);
        for one in &page.certificates {
            let state = one.state.map(|state| state.to_string()).unwrap_or_default();
            table.row([one.device.to_string(), state, one.serial.clone(), seconds(one.not_after)]);
        }
        text += &format!("\n{table}");
    }
    text + &tampered::below(&page.tampered)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_time_is_days_or_hours() {
        assert_eq!((span("10d"), span("36h")), (Ok(864_000), Ok(129_600)));
        for bad in ["", "10", "d", "1w", "-1d", "4294967296d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
