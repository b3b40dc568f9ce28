use super::*;
use proptest::prelude::*;

const WHO: &str = r#""subscriber":"000102030405060708090a0b0c0d0e0f""#;

/// A line of a kind, with a head that is right.
fn line(kind: &str, fields: &str) -> String {
    let head = r#""at":"2026-11-30T09:00:00.000000Z","feed":"mme-1","seq":7"#;
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"v":1,"kind":"{kind}",{head}{comma}{fields}}}"#)
}

fn parsed(text: &str) -> Result<Row, String> {
    Row::parse(text.as_bytes()).map_err(|bad| bad.to_string())
}

/// A line of each kind with all that it may have.
fn whole() -> Vec<String> {
    let (cell, span) = (
        r#""cell":"lte:450-08:1a2b3c4""#,
        r#""from":"2026-11-30T08:00:00.000000Z","to":"2026-11-30T09:00:00.000000Z""#,
    );
    let place = r#""position":{"lat":374999000,"lon":1269000000}"#;
    [
        ("access", format!(r#"{WHO},{cell},"event":"handover-in","peer":"lte:450-08:1","inner":"10.1.2.3","cipher":2,"integrity":2"#)),
        ("ims", format!(r#"{WHO},"event":"register","sec_agree":true,{cell},"ealg":"aes-cbc","alg":"hmac-sha-1-96""#)),
        ("code", format!(r#"{WHO},"channel":"sms","service":"micropayment",{cell},"requested":"2026-11-30T08:59:00.000000Z""#)),
        ("payment", r#""payer":"000102030405060708090a0b0c0d0e0f","amount_minor":300000,"currency":"KRW","merchant_class":"gift-card","channel":"ars","request":"P-1""#.into()),
        ("number", format!(r#""msisdn_key":"0f0102030405060708090a0b0c0d0e0f",{WHO},{span}"#)),
        ("macro-cell", format!(r#"{cell},{place},"radius_m":700,{span}"#)),
        ("complaint", format!(r#"{WHO},"about":"payment""#)),
        ("order", format!(r#""order":"W-1","device":"00aabbccddee","purpose":"move",{span},"line":"L-2",{place}"#)),
        ("heartbeat", String::new()),
        ("gap", format!(r#"{span},"why":"silent","rows":4"#)),
    ]
    .map(|(kind, fields)| line(kind, &fields))
    .to_vec()
}

#[test]
fn each_kind_is_read_and_written_as_it_was() {
    let rows: Vec<_> = whole().iter().map(|text| parsed(text).unwrap()).collect();
    assert_eq!(rows.iter().map(Row::kind).collect::<Vec<_>>(), Kind::ALL);
    for (row, text) in rows.iter().zip(whole()) {
        assert_eq!(row.to_line().unwrap(), text);
        assert_eq!((row.stamp().feed.as_str(), row.stamp().seq), ("mme-1", 7));
    }
}

#[test]
fn what_is_no_row_says_why() {
    let cell = r#""cell":"lte:450-08:1""#;
    let span = r#""from":"2026-11-30T08:00:00Z","to":"2026-11-30T07:59:59Z""#;
    for (kind, fields, why) in [
        (
            "access",
            format!(r#"{WHO},{cell},"event":"attach","peer":"lte:450-08:2""#),
            "only a handover has a `peer`",
        ),
        ("access", format!(r#"{WHO},{cell},"event":"attach","cipher":16"#), "0 to 15"),
        ("access", format!(r#"{WHO},{cell},"event":"wave""#), "unknown variant `wave`"),
        ("access", format!(r#"{cell},"event":"attach""#), "missing field `subscriber`"),
        (
            "access",
            format!(r#"{WHO},{cell},"event":"attach","imsi":"450081234567890""#),
            "unknown field `imsi`",
        ),
        ("access", format!(r#"{WHO},{WHO},{cell},"event":"attach""#), "duplicate field"),
        (
            "access",
            r#""subscriber":"450081234567890","#.to_owned() + cell + r#","event":"attach""#,
            "32 hex digits",
        ),
        (
            "ims",
            format!(r#"{WHO},"event":"register","sec_agree":false,"ealg":"null""#),
            "without `sec_agree`",
        ),
        (
            "ims",
            format!(r#"{WHO},"event":"register","sec_agree":true,"ealg":"rot13""#),
            "unknown variant `rot13`",
        ),
        ("code", format!(r#"{WHO},"channel":"app","service":"x""#), "by `sms` or `ars`"),
        ("code", format!(r#"{WHO},"channel":"sms","service":"""#), "1 to 32 octets"),
        (
            "code",
            format!(r#"{WHO},"channel":"sms","service":"x","requested":"2026-11-30T09:00:01Z""#),
            "later than `at`",
        ),
        (
            "number",
            format!(r#""msisdn_key":"000102030405060708090a0b0c0d0e0f",{WHO},{span}"#),
            "earlier than `from`",
        ),
        ("gap", format!(r#"{span},"why":"silent""#), "earlier than `from`"),
        ("heartbeat", r#""mood":"good""#.into(), "unknown field `mood`"),
        ("rain", String::new(), "unknown variant `rain`"),
    ] {
        let error = parsed(&line(kind, &fields)).unwrap_err();
        assert!(error.contains(why), "{kind} {fields}: {error}");
    }
    assert_eq!(parsed(r#"{"v":2,"kind":"snow"}"#).unwrap_err(), "version 2, this Truecell reads 1");
    assert!(parsed(&" ".repeat(LONGEST + 1)).unwrap_err().contains("longer than 1024"));
    let bad_feed = line("heartbeat", "").replace("mme-1", "MME 1");
    assert!(parsed(&bad_feed).unwrap_err().contains("lower-case letters"));
}

#[test]
fn the_longest_payment_has_room() {
    let time = "2026-11-30T10:00:00.123456789+09:00";
    let (feed, class, request) = ("f".repeat(32), "\\u00e4".repeat(16), "\\u00e4".repeat(32));
    let text = format!(
        r#"{{"v": 1, "kind": "payment", "at": "{time}", "feed": "{feed}", "seq": {}, "payer": "000102030405060708090a0b0c0d0e0f", "amount_minor": {}, "currency": "KRW", "merchant_class": "{class}", "channel": "sms", "request": "{request}"}}"#,
        u64::MAX,
        i64::MIN
    );
    assert!(text.len() <= 700, "{}", text.len());
    assert!(parsed(&text).is_ok(), "{:?}", parsed(&text));
}

#[test]
fn algorithms_are_named_as_their_technology_names_them() {
    use ids::Rat;
    assert_eq!(NasCipher::NULL.name(Rat::Lte), "EEA0");
    assert_eq!((NasCipher(2).name(Rat::Nr), NasIntegrity(2).name(Rat::Umts)), ("NEA2".into(), "UIA2".into()));
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_read_again(number in 0..10_usize, at in any::<i64>(), seq in any::<u64>()) {
        let at = UnixTime::from_micros(at);
        let text = whole()[number].replace("\"seq\":7", &format!("\"seq\":{seq}"));
        let row = parsed(&text.replacen("2026-11-30T09:00:00.000000Z", &at.to_string(), 1));
        if let Ok(row) = row {
            prop_assert_eq!(row.stamp().at, at);
            prop_assert_eq!(parsed(&row.to_line().unwrap()).unwrap(), row);
        }
    }
}
