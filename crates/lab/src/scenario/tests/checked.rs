//! What is refused before anything is played.

use super::super::*;
use proptest::prelude::*;

fn refused(more: &str) -> String {
    let text = format!("format = 1\nabout = \"a test\"\nspan_d = 3\n{more}");
    Scenario::parse(&text).unwrap_err().to_string()
}

#[test]
fn what_does_not_go_together_is_named_with_what_to_do() {
    for (text, why) in [
        ("[estate]\ntents = 3", "line 5, column 1"),
        ("[estate]\ntents = 3", "unknown field `tents`"),
        ("[estate]\nunits = 0", "[estate]: `units` is 0, and may be 1 to 1000000"),
        ("[estate]\nunits = \"many\"", "line 5"),
        ("[estate]\ntown_km = 30\nmacro_spacing_m = 200", "more than 64 x 64 macro cells"),
        ("[estate]\ntowns = 2\ntowns_apart_km = 3", "towns would overlap"),
        ("[[actor]]\nname = \"any\"\nkind = \"box\"\ncells = 1", "an actor needs a name"),
        ("[[actor]]\nname = \"a\"\nkind = \"ghost\"", "unknown variant `ghost`"),
        ("[[actor]]\nname = \"a\"\nkind = \"box\"", "it has no cell"),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\ncells = 1",
            "`cells` is nothing of `unit`, only of `box`: leave it out",
        ),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\nstrips = [\"ims\"]", "`strips` is nothing of `unit`"),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\ncount = 61", "actors are 61 units, and there are 60"),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\nx_km = 3.5", "outside the town"),
        (
            "[[actor]]\nname = \"a\"\nkind = \"box\"\nidentity = \"b\"\ncells = 1",
            "no actor of kind `unit` has that name",
        ),
        (
            "[[step]]\nat = \"1d 00:00\"\nactor = \"a\"\ndo = \"on\"",
            "step 1, `a` at 1d 00:00: there is no actor `a`",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"1d 00:00\"\nactor = \"a\"\ndo = \"on\"",
            "a `unit` does not `on`: `lose`",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"3d 00:00\"\nactor = \"a\"\ndo = \"lose\"",
            "3d 00:00 is after the end: `span_d` is 3",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"1d 24:00\"\nactor = \"a\"\ndo = \"lose\"",
            "as `3d 02:30`",
        ),
        ("[[expect]]\nfinding = \"magic\"\non = \"any\"", "there is no detector `magic`"),
        ("[[never]]\nfinding = \"any\"\non = \"b\"", "there is no actor `b`"),
        ("[[feed]]\nname = \"core\"\n[[feed]]\nname = \"core\"", "it is there twice"),
        ("[[feed]]\nname = \"core\"\nlag_s = 60", "`lag_s` is more than `lag_most_s`"),
    ] {
        let error = refused(text);
        assert!(error.contains(why), "{text}\n{error}");
    }
    let error = Scenario::parse("format = 2\nabout = \"\"").unwrap_err().to_string();
    assert!(error.contains("`format` is 2, and this Truecell reads 1"), "{error}");
}

proptest! {
    #[test]
    fn a_time_is_written_and_read_again(minutes in 0..3650_u32 * 1440) {
        let text = format!("{}d {:02}:{:02}", minutes / 1440, minutes / 60 % 24, minutes % 60);
        let moment: Moment = text.parse().unwrap();
        prop_assert_eq!(moment.to_string(), text);
        prop_assert_eq!(moment.since_start().as_secs(), u64::from(minutes) * 60);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = Scenario::parse(&text);
        let _ = text.parse::<Moment>();
    }
}
