use super::*;
use crate::{
    failure::{Failure, Problem},
    top::sample::{amount, at, id, look, seconds, tunnel},
};
use gateway::SessionBrief;
use proptest::prelude::*;
use ratatui::crossterm::event::{
    KeyCode::{self, Backspace, Char, Down, End, Enter, Esc, Home, PageDown, PageUp, Up},
    KeyEvent, KeyModifiers,
};

fn screen() -> Screen {
    Screen::new(Sort::Rate, String::new(), seconds(1))
}

fn press(screen: &mut Screen, keys: &[KeyCode]) -> Next {
    keys.iter().map(|key| screen.press(KeyEvent::from(*key))).last().unwrap()
}

fn order(screen: &Screen) -> Vec<u64> {
    screen.tunnels().map(|tunnel| tunnel.brief.id.number).collect()
}

fn selected(screen: &Screen) -> u64 {
    order(screen)[screen.cursor()]
}

/// Has passed that many octets.
fn busy(number: u32, octets: u64) -> SessionBrief {
    SessionBrief { uplink: amount(1, octets), ..tunnel(number) }
}

/// Two looks, a second apart, between which each tunnel passed that many octets.
fn traffic(octets: &[(u32, u64)]) -> [Look; 2] {
    let before = octets.iter().map(|(number, _)| tunnel(*number)).collect();
    let now = octets.iter().map(|(number, octets)| busy(*number, *octets)).collect();
    let mut looks = [look(seconds(100), before), look(seconds(101), now)];
    looks[1].stats.counters.uplink.octets = octets.iter().map(|(_, octets)| octets).sum();
    looks
}

fn seen(looks: [Look; 2]) -> Screen {
    let mut screen = screen();
    looks.into_iter().for_each(|look| screen.see(look));
    screen.fit(10);
    screen
}

#[test]
fn the_fastest_come_first_and_r_turns_them_round() {
    let mut screen = seen(traffic(&[(1, 10), (2, 30), (3, 20)]));
    assert_eq!(order(&screen), [2, 3, 1]);
    press(&mut screen, &[Char('r')]);
    assert_eq!(order(&screen), [1, 3, 2]);
}

#[test]
fn before_there_are_rates_those_that_passed_most_come_first() {
    let mut screen = screen();
    screen.see(look(seconds(1), vec![busy(1, 10), busy(2, 30), busy(3, 20)]));
    assert_eq!(order(&screen), [2, 3, 1]);
}

#[test]
fn s_and_a_letter_choose_the_order_and_another_key_leaves_it() {
    let mut tunnels = vec![tunnel(3), tunnel(1), tunnel(2)];
    (tunnels[0].id, tunnels[1].id, tunnels[2].id) = (id(1), id(2), id(3));
    tunnels[1].drops = 5;
    tunnels[2].since = at(seconds(50));
    let mut screen = screen();
    screen.see(look(seconds(100), tunnels));
    for (letter, expected) in [('n', [2, 3, 1]), ('d', [2, 1, 3]), ('a', [3, 1, 2]), ('r', [1, 2, 3])] {
        press(&mut screen, &[Char('s'), Char(letter)]);
        assert_eq!(order(&screen), expected, "{letter}");
    }
    press(&mut screen, &[Char('s'), Char('a'), Char('s'), Esc]);
    assert_eq!((order(&screen), screen.mode), (vec![3, 1, 2], Mode::Table));
}

#[test]
fn a_filter_looks_at_device_state_and_addresses() {
    let mut odd = tunnel(0x2ab);
    odd.state = gateway::State::Held;
    odd.outer = "[2001:DB8::7]:4500".parse().unwrap();
    odd.inner.push("fd00::42".parse().unwrap());
    let mut screen = screen();
    screen.see(look(seconds(1), vec![tunnel(1), odd, tunnel(3)]));
    for text in ["0002AB", "held", "2001:db8::7", "fd00::42"] {
        let keys: Vec<_> = text.chars().map(Char).collect();
        press(&mut screen, &[Char('/')]);
        press(&mut screen, &keys);
        assert_eq!(order(&screen), [0x2ab], "{text}");
        assert_eq!(press(&mut screen, &[Enter]), Next::Stay);
        press(&mut screen, &[Esc]);
        assert_eq!(order(&screen).len(), 3);
    }
}

#[test]
fn letters_that_are_keys_elsewhere_are_letters_in_the_filter() {
    let mut screen = seen(traffic(&[(1, 0), (2, 0)]));
    press(&mut screen, &[Char('/')]);
    assert_eq!(press(&mut screen, &[Char('q'), Char('s'), Char('?'), Backspace]), Next::Stay);
    assert_eq!((screen.filter.as_str(), screen.matching()), ("qs", 0));
    press(&mut screen, &[Esc]);
    assert_eq!((screen.filter.as_str(), screen.matching()), ("", 2));
}

#[test]
fn the_selection_follows_its_tunnel_and_the_top_stays_the_top() {
    let mut screen = seen(traffic(&[(1, 30), (2, 20), (3, 10)]));
    assert_eq!(selected(&screen), 1);
    let faster = |number, octets| look(seconds(102), vec![busy(1, 30), busy(2, 20), busy(number, octets)]);
    screen.see(faster(3, 1_000));
    assert_eq!((order(&screen), selected(&screen)), (vec![3, 1, 2], 3), "nobody was chosen");
    press(&mut screen, &[Down]);
    assert_eq!(selected(&screen), 1);
    screen.see(look(seconds(103), vec![busy(1, 30), busy(2, 9_000), busy(3, 5_000)]));
    assert_eq!((order(&screen), selected(&screen)), (vec![2, 3, 1], 1));
    screen.see(look(seconds(104), vec![busy(2, 9_000), busy(3, 5_000)]));
    assert_eq!(screen.cursor(), 0, "it is over");
}

#[test]
fn pages_and_ends_are_where_they_should_be() {
    let tunnels: Vec<_> = (1..=25).map(|number| (number, 100 - u64::from(number))).collect();
    let mut screen = seen(traffic(&tunnels));
    for (key, expected, top) in [
        (PageDown, 11, 1),
        (PageDown, 21, 11),
        (PageDown, 25, 15),
        (PageUp, 15, 14),
        (Home, 1, 0),
        (End, 25, 15),
        (Up, 24, 15),
    ] {
        press(&mut screen, &[key]);
        screen.fit(10);
        assert_eq!((selected(&screen), screen.top), (expected, top), "{key:?}");
    }
}

fn view(number: u32) -> SessionView {
    let brief = tunnel(number);
    SessionView {
        id: brief.id,
        device: brief.device,
        cert_sha256: ids::Sha256([0xab; 32]),
        state: brief.state,
        held: None,
        quarantine: None,
        outer: brief.outer,
        inner: brief.inner,
        since: brief.since,
        until: at(seconds(3_600)),
        class: "home".into(),
        class_listed: true,
        reach: vec!["10.1.0.5 udp 2152".into(), "10.1.0.5 sctp 36412".into()],
        uplink: brief.uplink,
        downlink: brief.downlink,
        drops: Default::default(),
        esp_seen: true,
        children: Vec::new(),
    }
}

#[test]
fn enter_asks_about_the_selected_tunnel_and_arrows_about_its_neighbours() {
    let mut screen = seen(traffic(&[(1, 30), (2, 20)]));
    assert_eq!(screen.looked_at(), None);
    press(&mut screen, &[Enter]);
    assert_eq!((screen.looked_at(), &screen.details), (Some(id(1)), &Details::NotYet));
    screen.learn(id(1), Some(view(1)));
    assert_eq!(screen.details, Details::Known { session: Box::new(view(1)), over: false });
    press(&mut screen, &[Down]);
    assert_eq!((screen.looked_at(), &screen.details), (Some(id(2)), &Details::NotYet));
    screen.learn(id(1), Some(view(1)));
    assert_eq!(screen.details, Details::NotYet, "an answer about another one");
    press(&mut screen, &[Char('x')]);
    assert_eq!(screen.looked_at(), Some(id(2)));
    press(&mut screen, &[Esc]);
    assert_eq!(screen.looked_at(), None);
}

#[test]
fn a_tunnel_that_ends_while_it_is_looked_at_stays_to_be_read() {
    let mut screen = seen(traffic(&[(1, 30), (2, 20)]));
    press(&mut screen, &[Enter]);
    screen.learn(id(1), Some(view(1)));
    screen.learn(id(1), None);
    screen.see(look(seconds(102), vec![busy(2, 20)]));
    assert_eq!(screen.details, Details::Known { session: Box::new(view(1)), over: true });
    assert_eq!(screen.looked_at(), Some(id(1)));
}

#[test]
fn while_the_node_is_away_the_last_picture_stays_and_the_first_miss_is_told() {
    let mut screen = seen(traffic(&[(1, 8)]));
    let away = Away(Failure::No(Problem::new("x", "no daemon").because("it ended")));
    screen.miss(&away, at(seconds(200)));
    screen.miss(&away, at(seconds(201)));
    let link = Link::Away { since: at(seconds(200)), why: "no daemon: it ended".into() };
    assert_eq!((&screen.link, order(&screen)), (&link, vec![1]));
    assert_eq!(screen.traffic.up.columns(300), [None, Some(64), None, None]);
    screen.see(look(seconds(202), vec![busy(1, 8)]));
    assert_eq!(screen.link, Link::Up);
}

#[test]
fn ctrl_c_quits_from_everywhere_and_q_where_it_is_no_letter() {
    let interrupt = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
    for (keys, expected) in [
        (vec![Home], Next::Quit),
        (vec![Enter], Next::Quit),
        (vec![Char('/')], Next::Stay),
        (vec![Char('s')], Next::Stay),
        (vec![Char('?')], Next::Stay),
    ] {
        let mut screen = seen(traffic(&[(1, 30)]));
        press(&mut screen, &keys);
        assert_eq!(press(&mut screen, &[Char('q')]), expected, "{keys:?}");
        assert_eq!(screen.press(interrupt), Next::Quit, "{keys:?}");
    }
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    prop::sample::select(vec![
        Up,
        Down,
        PageUp,
        PageDown,
        Home,
        End,
        Enter,
        Esc,
        Backspace,
        Char('/'),
        Char('s'),
        Char('r'),
        Char('?'),
        Char('a'),
        Char('0'),
        Char('3'),
        Char('x'),
    ])
}

proptest! {
    /// Whatever is pressed while tunnels come and go and the window changes.
    #[test]
    fn the_selected_row_is_always_in_sight(
        steps in prop::collection::vec((any_key(), 0u32..60, 0usize..30), 1..80),
    ) {
        let mut screen = screen();
        for (second, (key, tunnels, page)) in steps.into_iter().enumerate() {
            let tunnels = (1..=tunnels).map(|number| busy(number, u64::from(number % 7) * second as u64));
            screen.see(look(seconds(second as u64), tunnels.collect()));
            screen.press(KeyEvent::from(key));
            screen.fit(page);
            let shown = screen.top..screen.top + page.max(1);
            prop_assert!(shown.contains(&screen.cursor()), "{:?} {}", shown, screen.cursor());
            prop_assert!(screen.cursor() < screen.matching().max(1));
        }
    }
}
