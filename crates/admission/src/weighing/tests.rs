use super::*;
use proptest::{collection::vec, option, prelude::*};

fn marks(of: &[(Item, Grade)]) -> Appraisal {
    Appraisal::new(of.iter().map(|(item, grade)| Mark { item: *item, grade: *grade, before_fork: true }))
}

fn grade() -> impl Strategy<Value = Option<(Grade, bool)>> {
    option::of((prop_oneof![Just(Grade::Good), Just(Grade::Bad)], any::<bool>()))
}

fn appraisal() -> impl Strategy<Value = Appraisal> {
    vec(grade(), WEIGHTS.len()).prop_map(|grades| of_grades(&grades))
}

fn apart() -> impl Strategy<Value = i32> {
    prop_oneof![Just(APART), Just(APART_IN_TURN)]
}

fn of_grades(grades: &[Option<(Grade, bool)>]) -> Appraisal {
    Appraisal::new(WEIGHTS.iter().zip(grades).filter_map(|(weight, grade)| {
        grade.map(|(grade, before_fork)| Mark { item: weight.item, grade, before_fork })
    }))
}

/// How well the first side comes off.
fn rank(weighed: Relation) -> u8 {
    match weighed {
        Relation::FirstIsCopy => 0,
        Relation::BothInWrongHands => 1,
        Relation::Undecided => 2,
        Relation::SecondIsCopy => 3,
    }
}

fn exchanged(weighed: Relation) -> Relation {
    match weighed {
        Relation::FirstIsCopy => Relation::SecondIsCopy,
        Relation::SecondIsCopy => Relation::FirstIsCopy,
        same @ (Relation::BothInWrongHands | Relation::Undecided) => same,
    }
}

/// From worst to best; missing stands between.
fn better(grade: Option<Grade>) -> Option<Option<Grade>> {
    match grade {
        Some(Grade::Bad) => Some(None),
        None => Some(Some(Grade::Good)),
        Some(Grade::Good) => None,
    }
}

#[test]
fn the_table_has_each_item_once_in_its_order_and_good_is_never_worse_than_missing() {
    for (index, weight) in WEIGHTS.iter().enumerate() {
        assert_eq!(weight.item as usize, index);
        assert!(weight.good >= 0 && weight.bad < 0, "{:?}", weight.item);
    }
}

type Side<'a> = &'a [(Item, Grade)];

#[test]
fn cases_that_a_person_would_judge_the_same_way() {
    use Grade::{Bad, Good};
    use Item::{Fingerprint, Line, Management, Network, Trail};
    let cases: [(&str, Side<'_>, Side<'_>, Relation); 9] = [
        ("a copy on another line", &[(Line, Bad)], &[(Line, Good)], Relation::FirstIsCopy),
        ("the copy came first", &[(Line, Good)], &[(Line, Bad)], Relation::SecondIsCopy),
        ("nothing is known of either", &[], &[], Relation::Undecided),
        ("one is at home, of the other nothing is known", &[], &[(Line, Good)], Relation::Undecided),
        ("two copies", &[(Line, Bad)], &[(Network, Bad)], Relation::BothInWrongHands),
        ("both behind the household's router", &[(Line, Good)], &[(Line, Good)], Relation::Undecided),
        (
            "both there, and one looks like another make",
            &[(Line, Good), (Fingerprint, Bad)],
            &[(Line, Good), (Fingerprint, Good)],
            Relation::FirstIsCopy,
        ),
        (
            "a relay through the right line, and handsets from elsewhere",
            &[(Line, Good), (Trail, Bad)],
            &[(Line, Good), (Trail, Good)],
            Relation::FirstIsCopy,
        ),
        (
            "management says that the tunnel is not the unit's",
            &[(Management, Bad)],
            &[(Network, Good)],
            Relation::FirstIsCopy,
        ),
    ];
    for (what, first, second, expected) in cases {
        assert_eq!(weigh(&marks(first), &marks(second), APART), expected, "{what}");
    }
}

#[test]
fn of_two_marks_about_one_item_the_worse_counts() {
    let both = marks(&[(Item::Line, Grade::Good), (Item::Line, Grade::Bad)]);
    assert_eq!(both, marks(&[(Item::Line, Grade::Bad)]));
}

proptest! {
    #[test]
    fn exchanging_the_sides_exchanges_the_conclusion(first in appraisal(), second in appraisal(), apart in apart()) {
        prop_assert_eq!(weigh(&first, &second, apart), exchanged(weigh(&second, &first, apart)));
    }

    #[test]
    fn better_evidence_never_turns_the_conclusion_against_its_side(
        grades in vec(grade(), WEIGHTS.len()),
        second in appraisal(),
        item in 0..WEIGHTS.len(),
        apart in apart(),
    ) {
        let before_fork = grades[item].is_none_or(|(_, before)| before);
        if let Some(grade) = better(grades[item].map(|(grade, _)| grade)) {
            let mut raised = grades.clone();
            raised[item] = grade.map(|grade| (grade, before_fork));
            let (worse, better) = (weigh(&of_grades(&grades), &second, apart), weigh(&of_grades(&raised), &second, apart));
            prop_assert!(rank(better) >= rank(worse), "{worse:?} became {better:?}");
        }
    }

    #[test]
    fn nobody_is_a_copy_by_what_is_missing(first in appraisal(), second in appraisal(), apart in apart()) {
        let weighed = weigh(&first, &second, apart);
        prop_assert!(weighed != Relation::FirstIsCopy || first.is_accused());
        prop_assert!(weighed != Relation::SecondIsCopy || second.is_accused());
    }

    #[test]
    fn what_a_copy_has_gained_since_weighs_nothing(grades in vec(grade(), WEIGHTS.len()), second in appraisal(), apart in apart()) {
        let own = |weight: &Weight, grade: &Option<(Grade, bool)>| {
            weight.survives_copy || grade.is_some_and(|(_, before)| before)
        };
        let without: Vec<_> =
            WEIGHTS.iter().zip(&grades).map(|(weight, grade)| grade.filter(|_| own(weight, grade))).collect();
        prop_assert_eq!(weigh(&of_grades(&grades), &second, apart), weigh(&of_grades(&without), &second, apart));
    }
}
