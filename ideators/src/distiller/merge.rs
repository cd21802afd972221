//! Makes lessons one list without contradictions. Pure.

use std::collections::BTreeSet;

use autores_domain::{IdeaId, Lesson};

/// Lessons that are kept at most.
const MOST: usize = 24;

/// The new lessons, then the old ones. Of those on one topic with the same advice one is kept, with the evidence of all;
/// of those that contradict each other the one with more evidence, then with newer.
pub(super) fn merge(new: Vec<Lesson>, old: &[Lesson]) -> Vec<Lesson> {
    let mut kept: Vec<Lesson> = Vec::new();
    for lesson in new.into_iter().chain(old.iter().cloned()) {
        match kept.iter_mut().find(|other| topic(&other.topic) == topic(&lesson.topic)) {
            None => kept.push(lesson),
            Some(other) if other.advice == lesson.advice => join(other, lesson),
            Some(other) if weight(&lesson) > weight(other) => *other = lesson,
            Some(_) => {}
        }
    }
    kept.truncate(MOST);
    kept
}

fn join(one: &mut Lesson, other: Lesson) {
    for id in other.evidence {
        if !one.evidence.contains(&id) {
            one.evidence.push(id);
        }
    }
}

fn weight(lesson: &Lesson) -> (usize, u32) {
    let newest = |ids: &[IdeaId]| ids.iter().map(|id| id.number).max().unwrap_or(0);
    (lesson.evidence.len(), newest(&lesson.evidence))
}

/// The words of a topic without their order, case and plurals.
fn topic(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !matches!(*word, "" | "the" | "a" | "an" | "of" | "for" | "in" | "and"))
        .map(|word| match word.strip_suffix('s') {
            Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
            Some(_) | None => word.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use autores_domain::Advice;

    use super::*;

    fn lesson(advice: Advice, topic: &str, evidence: &[u32]) -> Lesson {
        let evidence = evidence.iter().map(|n| format!("r/i{n}").parse().unwrap()).collect();
        Lesson { advice, topic: topic.into(), text: format!("{advice:?} {topic}"), evidence }
    }

    fn check(new: &[&Lesson], old: &[&Lesson], expected: &[&Lesson]) {
        let owned = |lessons: &[&Lesson]| lessons.iter().copied().cloned().collect::<Vec<_>>();
        assert_eq!(merge(owned(new), &owned(old)), owned(expected));
    }

    #[test]
    fn of_two_that_contradict_each_other_the_better_supported_one_stays() {
        let (weak, strong) = (
            lesson(Advice::Do, "Weight decay", &[9]),
            lesson(Advice::Avoid, "weight decays", &[1, 2]),
        );
        check(&[&weak, &strong], &[], &[&strong]);
        check(&[&strong, &weak], &[], &[&strong]);
        let newer = lesson(Advice::Avoid, "decay of the weight", &[10]);
        check(&[&newer], &[&weak], &[&newer]);
        check(&[&weak], &[&newer], &[&newer]);
    }

    #[test]
    fn of_two_on_one_topic_one_stays_with_the_evidence_of_both() {
        let joined = Lesson {
            evidence: lesson(Advice::Do, "", &[3, 1]).evidence,
            ..lesson(Advice::Do, "EMA", &[])
        };
        let (new, old) = (lesson(Advice::Do, "EMA", &[3]), lesson(Advice::Do, "ema", &[1, 3]));
        check(&[&new], &[&old], &[&joined]);
    }

    #[test]
    fn there_are_never_more_than_a_prompt_shows() {
        let many: Vec<Lesson> =
            (0..40).map(|n| lesson(Advice::Do, &format!("topic {n}"), &[n])).collect();
        assert_eq!(merge(many.clone(), &[]), many[..MOST]);
    }
}
