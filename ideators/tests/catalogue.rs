//! The catalogue as ideator and implementer, on techniques of the test's own and on those of the built-in problems.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;
use std::sync::Arc;

use autores_domain::{
    Brief, Broken, CodePath, Codebase, Evidence, Fault, FaultClass, Idea, Ideator, Implementer,
    Member, Operator, Outcome, Population, Proposal, Refusal, Revision, Task, TechniqueUse,
};
use autores_ideators::ideator::CatalogueIdeator;
use autores_ideators::implementer::CatalogueImplementer;
use autores_templates::catalogue::Catalogue;
use autores_templates::problems::{self, Code};
use proptest::prelude::*;

const CODE: &str = "rate = 1\ndepth = 2\nnorm = none\n";

fn technique(name: &str, find: &str, replace: &str) -> (CodePath, String) {
    let text = format!(
        "name: {name}\ntitle: {name}\ncategory: optimizer\nkind: algorithmic\nhypothesis: it helps\n\
         source: a paper\nknobs:\n  - {{name: x, default: 2, values: [1, 2, 3]}}\nedits:\n  \
         - path: train.py\n    find: \"{find}\"\n    replace: \"{replace}\"\n"
    );
    (format!("{name}.yaml").parse().unwrap(), text)
}

/// Three techniques, of which the first two change the same line.
fn catalogue() -> Arc<Catalogue> {
    let files = [
        technique("faster", "rate = 1", "rate = {{x}}"),
        technique("slower", "rate = 1", "rate = 0.{{x}}"),
        technique("deeper", "depth = 2", "depth = 1{{x}}"),
    ];
    Arc::new(Catalogue::load(files.iter().map(|(path, text)| (path, text.as_str()))).unwrap())
}

fn code() -> Codebase {
    [("train.py".parse().unwrap(), CODE.to_owned())].into()
}

fn used(technique: &str, x: &str) -> TechniqueUse {
    TechniqueUse { technique: technique.into(), knobs: [("x".to_owned(), x.to_owned())].into() }
}

fn idea(number: u32, techniques: Vec<TechniqueUse>) -> Idea {
    let id = format!("r/i{number}").parse().unwrap();
    Idea { techniques, ..Idea::baseline(id) }
}

fn member(number: u32, techniques: Vec<TechniqueUse>, outcome: Outcome) -> Member {
    Member { idea: idea(number, techniques), outcome, revision: None, evidence: None }
}

fn brief(operator: Operator, parents: &[u32], seed: u64) -> Brief {
    let parents = parents.iter().map(|n| format!("r/i{n}").parse().unwrap()).collect();
    Brief { operator, parents, shown: vec![], count: 1, seed }
}

fn propose(population: &Population, brief: &Brief) -> Result<Vec<Proposal>, String> {
    let ideator = CatalogueIdeator::new(catalogue());
    ready(ideator.propose(1, brief, population)).result.map_err(failed)
}

/// The catalogue asks nobody, so nothing else can be in its way.
fn failed<E>(refusal: Refusal<E>) -> E {
    match refusal {
        Refusal::Failed(error) => error,
        Refusal::Budget(reason) | Refusal::Unavailable { reason, .. } => panic!("{reason}"),
    }
}

fn task(techniques: Vec<TechniqueUse>, code: &Codebase) -> Task {
    Task {
        idea: idea(1, techniques),
        code: code.clone(),
        parents: vec![],
        population: Population::default(),
        broken: None,
    }
}

/// The catalogue never waits, so a runtime would be for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the catalogue waited"),
    }
}

fn implement(techniques: Vec<TechniqueUse>) -> Result<String, Fault> {
    let implementer = CatalogueImplementer::new(catalogue());
    let answered = ready(implementer.implement(&task(techniques, &code())));
    assert_eq!(answered.calls, []);
    let patch = answered.result.map_err(failed)?;
    let changed = patch.apply(&code()).unwrap();
    Ok(changed.values().next().cloned().flatten().unwrap())
}

#[test]
fn techniques_that_touch_different_lines_combine() {
    let code = implement(vec![used("deeper", "3"), used("faster", "2")]).unwrap();
    assert_eq!(code, "rate = 2\ndepth = 13\nnorm = none\n");
}

#[test]
fn a_combination_whose_edits_conflict_names_both_sides() {
    let fault = implement(vec![used("faster", "2"), used("slower", "2")]).unwrap_err();
    assert_eq!(fault.class, FaultClass::Patch);
    assert!(fault.reason.contains("slower conflicts with faster"), "{}", fault.reason);
    assert!(fault.reason.contains("rate = 1"), "{}", fault.reason);
}

#[test]
fn an_unknown_technique_or_value_is_named() {
    let fault = implement(vec![used("magic", "2")]).unwrap_err();
    assert!(fault.reason.contains("magic"), "{}", fault.reason);
    let fault = implement(vec![used("faster", "9")]).unwrap_err();
    assert!(fault.reason.contains("faster") && fault.reason.contains('9'), "{}", fault.reason);
}

#[test]
fn what_failed_when_it_ran_is_not_offered_again() {
    let broken = Broken {
        repairs: 0,
        revision: Revision { commit: "c".into(), tree: "t".into(), lines: (1, 1) },
        fault: Fault::new(FaultClass::Oom, "too much memory"),
        evidence: Evidence { metric: None, usage: None, curve: vec![] },
    };
    let task = Task { broken: Some(broken), ..task(vec![used("faster", "2")], &code()) };
    let answered = ready(CatalogueImplementer::new(catalogue()).implement(&task));
    let fault = answered.result.map_err(failed).unwrap_err();
    assert!(fault.reason.contains("oom") && fault.reason.contains("no other"), "{}", fault.reason);
}

#[test]
fn fresh_ideas_go_through_all_techniques_before_they_repeat_one() {
    let mut population = Population::default();
    for number in 1..=3 {
        let brief = brief(Operator::Fresh, &[], u64::from(number));
        let proposal = propose(&population, &brief).unwrap().remove(0);
        population.members.push(member(number, proposal.techniques, Outcome::Pending));
    }
    let names: BTreeSet<&str> = population
        .members
        .iter()
        .map(|member| member.idea.techniques[0].technique.as_str())
        .collect();
    assert_eq!(names.len(), 3);
}

#[test]
fn a_known_conflict_is_not_tried_again() {
    let conflict = Outcome::Failed(Fault::new(FaultClass::Patch, "conflict"));
    let measured = |reward| Outcome::Measured { reward };
    let population = Population {
        baseline: vec![0.5],
        reference: Some(0.5),
        members: vec![
            member(1, vec![used("faster", "2")], measured(0.6)),
            member(2, vec![used("slower", "2")], measured(0.6)),
            member(3, vec![used("faster", "2"), used("slower", "2")], conflict),
        ],
        ..Population::default()
    };
    for seed in 0..200 {
        for proposal in propose(&population, &brief(Operator::Exploit, &[1, 2], seed)).unwrap() {
            let names: Vec<&str> =
                proposal.techniques.iter().map(|used| used.technique.as_str()).collect();
            assert!(!(names.contains(&"faster") && names.contains(&"slower")), "{names:?}");
        }
    }
}

#[test]
fn when_everything_was_tried_that_is_said() {
    let names = ["deeper", "faster", "slower"];
    let settings = |name: &'static str| ["1", "2", "3"].map(|x| used(name, x));
    let mut sets: Vec<Vec<TechniqueUse>> =
        names.into_iter().flat_map(settings).map(|one| vec![one]).collect();
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        for one in settings(names[first]) {
            sets.extend(settings(names[second]).map(|other| vec![one.clone(), other]));
        }
    }
    let members =
        sets.into_iter().zip(1..).map(|(set, n)| member(n, set, Outcome::Pending)).collect();
    let population = Population { members, ..Population::default() };
    let reason = propose(&population, &brief(Operator::Fresh, &[], 1)).unwrap_err();
    assert!(reason.contains("3 techniques"), "{reason}");
}

#[test]
fn every_technique_of_the_built_in_problems_applies_with_every_value() {
    for name in problems::list() {
        let problem = problems::find(name).unwrap();
        let Code::Embedded(codebase) = &problem.code else { panic!("{name} is built in") };
        let catalogue = Arc::new(problem.catalogue.clone());
        let implementer = CatalogueImplementer::new(catalogue.clone());
        for technique in catalogue.iter() {
            let mut settings = vec![vec![]];
            for knob in &technique.knobs {
                settings.extend(
                    knob.values.iter().map(|value| vec![(knob.name.clone(), value.clone())]),
                );
            }
            for knobs in settings {
                let knobs = knobs.into_iter().collect();
                let used = TechniqueUse { technique: technique.name.clone(), knobs };
                let task = task(vec![used.clone()], codebase);
                match ready(implementer.implement(&task)).result.map_err(failed) {
                    Ok(_) => {}
                    // A value that the base code has already.
                    Err(fault) if fault.reason.contains("change nothing") => {}
                    Err(fault) => panic!("{used:?}: {fault}"),
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn an_idea_is_new_and_the_same_brief_gives_the_same_idea(
        rewards in prop::collection::vec((0.4f64..0.7, 0usize..3, 1u8..4), 0..8), seed: u64, operator in 0..3,
    ) {
        let names = ["faster", "slower", "deeper"];
        let members: Vec<Member> = rewards
            .iter()
            .zip(1..)
            .map(|((reward, name, x), number)| {
                let techniques = vec![used(names[*name], &x.to_string())];
                member(number, techniques, Outcome::Measured { reward: *reward })
            })
            .collect();
        let operator = [Operator::Fresh, Operator::Explore, Operator::Exploit][operator as usize];
        prop_assume!(operator != Operator::Exploit || !members.is_empty());
        let parents = if operator == Operator::Exploit { vec![1] } else { vec![] };
        let population = Population {
            baseline: vec![0.5, 0.51], reference: Some(0.5), members, ..Population::default()
        };
        let brief = brief(operator, &parents, seed);
        let proposals = propose(&population, &brief);
        prop_assert_eq!(&proposals, &propose(&population, &brief));
        for proposal in proposals.into_iter().flatten() {
            for member in &population.members {
                let tried: BTreeSet<_> = member.idea.techniques.iter().collect();
                prop_assert_ne!(tried, proposal.techniques.iter().collect::<BTreeSet<_>>());
            }
        }
    }
}
