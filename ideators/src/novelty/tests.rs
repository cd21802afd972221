use super::*;

fn words<'a>(title: &'a str, plan: &'a str) -> Candidate<'a> {
    Candidate { title, plan, techniques: &[] }
}

/// Title and plan twice: the same idea, slightly reworded.
const SAME: [[&str; 4]; 14] = [
    [
        "Use Muon",
        "Replace AdamW with Muon for the matrix parameters in optimizer.py.",
        "Muon optimizer for matrices",
        "Use Muon instead of AdamW for the matrix parameters.",
    ],
    [
        "Raise the learning rate to 3e-3",
        "Set learning_rate to 3e-3 in config.py.",
        "Higher learning rate",
        "In config.py raise the learning rate from 1e-3 to 0.003.",
    ],
    ["lr 3e-3", "set lr to 3e-3", "Learning rate 0.003", "Set the learning rate to 0.003"],
    [
        "Squared ReLU",
        "Replace GELU in the MLP with ReLU squared.",
        "ReLU squared activation",
        "In the MLP use squared ReLU instead of GELU.",
    ],
    [
        "EMA of weights",
        "Keep an exponential moving average of the weights with decay 0.999 and evaluate it.",
        "Exponential moving average of the weights",
        "Keep an EMA of weights (decay 0.999) and evaluate with it.",
    ],
    [
        "QK normalisation",
        "Normalise queries and keys with RMSNorm before the attention scores.",
        "Query-key normalization",
        "Apply RMSNorm to queries and keys before computing attention scores.",
    ],
    [
        "Cosine decay to zero",
        "Decay the learning rate with a cosine to zero over all steps.",
        "Cosine learning rate decay to zero",
        "Decay the learning rate to zero with a cosine over all of the steps.",
    ],
    [
        "Warm up for 100 steps",
        "Increase the learning rate linearly over the first 100 steps.",
        "Linear warmup, 100 steps",
        "Linearly increase the learning rate during the first 100 steps.",
    ],
    [
        "Zero-initialise output projections",
        "Initialise the output projections of attention and MLP to zero.",
        "Zero init of the output projections",
        "Initialize attention and MLP output projections to zero.",
    ],
    [
        "Tie the embeddings",
        "Share the weights of the token embedding and the output head.",
        "Weight tying",
        "Tie embeddings: share the token embedding's weights with the output head.",
    ],
    [
        "Batch size 32",
        "Raise batch_size from 16 to 32 in config.py.",
        "Larger batch (32)",
        "Increase the batch size to 32 in config.py.",
    ],
    [
        "Remove dropout",
        "Remove dropout from all layers, setting it to 0.",
        "No dropout",
        "Remove the dropout of all layers (set it to 0).",
    ],
    [
        "Parallel attention and MLP",
        "Compute attention and MLP in parallel from the same normalised input and sum both into the residual.",
        "Parallel blocks",
        "Compute the attention and the MLP in parallel from one normalized input; sum both into the residual stream.",
    ],
    [
        "Gradient clipping at 1.0",
        "Clip the global gradient norm to 1.0 before each optimizer step.",
        "Clip gradients to norm 1",
        "Before each optimizer step clip the global norm of gradients to 1.",
    ],
];

/// Different ideas, many of which sound alike.
const DIFFERENT: [[&str; 4]; 21] = [
    ["lr 3e-3", "set lr to 3e-3", "lr 1e-2", "set lr to 1e-2"],
    [
        "Raise the learning rate",
        "Set the learning rate to 3e-3 in config.py.",
        "Raise the learning rate",
        "Set the learning rate to 1e-2 in config.py.",
    ],
    [
        "EMA of weights",
        "Keep an exponential moving average of the weights with decay 0.999.",
        "EMA of weights",
        "Keep an exponential moving average of the weights with decay 0.99.",
    ],
    [
        "Warm up for 100 steps",
        "Increase the learning rate linearly over the first 100 steps.",
        "Warm up for 300 steps",
        "Increase the learning rate linearly over the first 300 steps.",
    ],
    [
        "LayerNorm",
        "Replace RMSNorm with LayerNorm in all blocks.",
        "RMSNorm",
        "Replace LayerNorm with RMSNorm in all blocks.",
    ],
    [
        "More dropout",
        "Increase dropout in the attention layers.",
        "Less dropout",
        "Reduce dropout in the attention layers.",
    ],
    [
        "Add biases",
        "Add biases to all linear layers.",
        "Remove biases",
        "Remove biases from all linear layers.",
    ],
    [
        "Muon",
        "Replace AdamW with Muon for the matrix parameters.",
        "Lion",
        "Replace AdamW with Lion for the matrix parameters.",
    ],
    [
        "Squared ReLU",
        "Replace GELU in the MLP with squared ReLU.",
        "SwiGLU",
        "Replace GELU in the MLP with SwiGLU.",
    ],
    [
        "Wider MLP",
        "Increase the width of the MLP to 512.",
        "Wider attention",
        "Increase the width of the attention to 512.",
    ],
    [
        "Cosine decay",
        "Decay the learning rate with a cosine to zero.",
        "Linear decay",
        "Decay the learning rate linearly to zero.",
    ],
    [
        "Weight decay 0.1",
        "Set the weight decay to 0.1 for matrices.",
        "Embedding learning rate 0.1",
        "Set the learning rate of embeddings to 0.1.",
    ],
    [
        "Tie the embeddings",
        "Share the weights of the token embedding and the output head.",
        "Scale the embeddings",
        "Multiply the token embedding by the square root of its width.",
    ],
    [
        "QK normalisation",
        "Normalise queries and keys with RMSNorm before the attention scores.",
        "Post-norm",
        "Normalise the output of each block with RMSNorm before it joins the residual.",
    ],
    [
        "beta2 of Adam",
        "Set beta2 to 0.99 in config.py.",
        "beta1 of Adam",
        "Set beta1 to 0.99 in config.py.",
    ],
    [
        "Zero-initialise output projections",
        "Initialise the output projections of attention and MLP to zero.",
        "Orthogonal initialisation",
        "Initialise the weights of attention and MLP as orthogonal matrices.",
    ],
    [
        "Higher learning rate",
        "Raise the learning rate.",
        "Learning rate 3e-3",
        "Raise the learning rate to 3e-3.",
    ],
    ["Two more layers", "Add two layers.", "Three more layers", "Add three layers."],
    [
        "Muon from the start",
        "Change the optimizer from AdamW to Muon.",
        "AdamW again",
        "Change the optimizer from Muon to AdamW.",
    ],
    [
        "RMSNorm in the blocks",
        "Apply RMSNorm before the attention block.",
        "RMSNorm in the blocks",
        "Apply RMSNorm after the attention block.",
    ],
    [
        "RMSNorm before attention and MLP",
        "In model.py normalise with RMSNorm before attention and before the MLP.",
        "RMSNorm after attention and MLP",
        "In model.py normalise with RMSNorm after attention and after the MLP.",
    ],
];

fn similarity([title, plan, other_title, other_plan]: [&str; 4]) -> f64 {
    let one = Fingerprint::of(&words(title, plan));
    one.similarity(&Fingerprint::of(&words(other_title, other_plan)))
}

#[test]
fn the_same_idea_in_other_words_is_a_twin() {
    let missed: Vec<_> = SAME
        .iter()
        .map(|pair| (similarity(*pair), pair))
        .filter(|(similarity, _)| *similarity < SAME_WORDS)
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn ideas_that_only_sound_alike_are_no_twins() {
    let taken: Vec<_> = DIFFERENT
        .iter()
        .chain(&DIFFERENT_AT_LENGTH)
        .map(|pair| (similarity(*pair), pair))
        .filter(|(similarity, _)| *similarity >= SAME_WORDS)
        .collect();
    assert!(taken.is_empty(), "{taken:#?}");
}

/// The same with longer plans, some of them reworded more.
const SAME_AT_LENGTH: [[&str; 4]; 5] = [
    [
        "Head-wise output scale",
        "In model.py give each attention head a learned scalar, initialised to 1, that multiplies its output before the projection. The optimizer treats these scalars like the other vectors, without weight decay.",
        "Learned scale per attention head",
        "Multiply the output of every attention head by a learned scalar before the output projection (model.py). Initialise the scalars to 1 and exclude them from weight decay.",
    ],
    [
        "Trapezoidal schedule",
        "Replace the cosine schedule in train.py with a trapezoid: warm up over the first 5% of the steps, hold the rate, then decay linearly to zero over the last 20%.",
        "Warmup-hold-decay (trapezoidal) schedule",
        "Use a trapezoidal learning rate instead of the cosine: linear warm-up in the first 5% of steps, constant after that, linear decay to zero in the last 20%.",
    ],
    [
        "Value residual learning",
        "Mix the values of the first layer into the values of each later layer with a learned weight that starts at 0.5.",
        "Value residuals",
        "In every later layer mix its values with those of the first layer, using a learned weight initialised at 0.5.",
    ],
    [
        "Depth 3, width 80",
        "In config.py set layers to 3 and width to 80, so that the number of parameters stays about the same.",
        "Deeper and narrower: 3 layers, width 80",
        "Set layers to 3 and width to 80 in config.py; the parameter count stays nearly the same.",
    ],
    [
        "Softcap attention logits at 30",
        "Pass the attention scores through 30 * tanh(scores / 30) before the softmax, which keeps single logits from dominating.",
        "Logit soft-capping in attention (30)",
        "Before the softmax apply tanh soft-capping with cap 30 to the attention scores so no logit dominates.",
    ],
];

/// Different ideas with longer plans that share most of their words.
const DIFFERENT_AT_LENGTH: [[&str; 4]; 6] = [
    [
        "Trapezoidal schedule",
        "Replace the cosine schedule in train.py with a trapezoid: warm up over the first 5% of the steps, hold the rate, then decay linearly to zero over the last 20%.",
        "Trapezoidal schedule",
        "Replace the cosine schedule in train.py with a trapezoid: warm up over the first 5% of the steps, hold the rate, then decay linearly to zero over the last 40%.",
    ],
    [
        "Head-wise output scale",
        "In model.py give each attention head a learned scalar, initialised to 1, that multiplies its output before the projection.",
        "Head-wise temperature",
        "In model.py give each attention head a learned scalar, initialised to 1, that divides its scores before the softmax.",
    ],
    [
        "Value residual learning",
        "Mix the values of the first layer into the values of each later layer with a learned weight that starts at 0.5.",
        "Key residual learning",
        "Mix the keys of the first layer into the keys of each later layer with a learned weight that starts at 0.5.",
    ],
    [
        "Softcap attention logits at 30",
        "Pass the attention scores through 30 * tanh(scores / 30) before the softmax.",
        "Softcap output logits at 30",
        "Pass the logits of the head through 30 * tanh(logits / 30) before the loss.",
    ],
    [
        "Decay embeddings",
        "Include the token embedding in the parameters with weight decay in optimizer.py.",
        "Do not decay embeddings",
        "Exclude the token embedding from the parameters with weight decay in optimizer.py.",
    ],
    [
        "Bigger batch, lower rate",
        "Double the batch size and lower the learning rate by the square root of two.",
        "Smaller batch, higher rate",
        "Halve the batch size and raise the learning rate by the square root of two.",
    ],
];

#[test]
fn most_rewordings_of_longer_plans_are_twins() {
    let found = SAME_AT_LENGTH.iter().filter(|pair| similarity(**pair) >= SAME_WORDS).count();
    assert!(found >= 4, "{found} of {}", SAME_AT_LENGTH.len());
}

#[test]
fn similarity_is_the_same_both_ways() {
    for [title, plan, other_title, other_plan] in SAME.into_iter().chain(DIFFERENT) {
        let there = similarity([title, plan, other_title, other_plan]);
        assert_eq!(there, similarity([other_title, other_plan, title, plan]), "{title}");
        assert_eq!(similarity([title, plan, title, plan]), 1.0, "{title}");
    }
}

fn idea(number: u32, title: &str, plan: &str) -> Idea {
    let run: autores_domain::RunId = "brisk-otter".parse().unwrap();
    let baseline = Idea::baseline(IdeaId { run, number });
    Idea { title: title.into(), plan: plan.into(), ..baseline }
}

fn with_rate(mut idea: Idea, rate: &str) -> Idea {
    let knobs = [("rate".to_owned(), rate.to_owned())].into();
    idea.techniques = vec![TechniqueUse { technique: "muon".into(), knobs }];
    idea
}

#[test]
fn the_most_similar_earlier_idea_is_named() {
    let earlier = [
        idea(0, "baseline", "change nothing"),
        idea(1, "Learning rate 1e-2", "Set the learning rate to 1e-2."),
        idea(2, "Higher rate", "Raise the learning rate to 3e-3 in config.py, as others do."),
        idea(3, "Learning rate 3e-3", "Set the learning rate to 3e-3."),
    ];
    let twin_of = |plan| twin(&words("Learning rate", plan), &earlier).map(|twin| twin.idea.number);
    assert_eq!(twin_of("Set lr to 0.003."), Some(3));
    assert_eq!(twin_of("Set the learning rate to 0.01."), Some(1));
    assert_eq!(twin_of("Set the learning rate to 0.02."), None);
}

#[test]
fn techniques_decide_where_both_ideas_have_them() {
    let earlier = [with_rate(idea(4, "Muon", "Use Muon."), "0.02")];
    let same = with_rate(idea(9, "Orthogonal updates", "In other words."), "0.02");
    let found = twin(&(&same).into(), &earlier).unwrap();
    assert_eq!((found.idea.number, found.similarity), (4, 1.0));
    let other = with_rate(idea(9, "Muon", "Use Muon."), "0.05");
    assert_eq!(twin(&(&other).into(), &earlier), None);
}

#[test]
fn embeddings_are_compared_by_their_angle() {
    let id = |number| idea(number, "", "").id;
    let earlier = [(id(1), vec![1.0, 0.0]), (id(2), vec![3.0, 0.3]), (id(3), vec![0.0, 0.0])];
    let found = twin_by_embedding(&[2.0, 0.2], &earlier, SAME_MEANING).unwrap();
    assert_eq!(found.idea, id(2));
    assert!((found.similarity - 1.0).abs() < 1e-9);
    assert_eq!(twin_by_embedding(&[0.0, 1.0], &earlier, SAME_MEANING), None);
    assert_eq!(twin_by_embedding(&[1.0], &earlier, SAME_MEANING), None);
    for bad in [&[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
        assert_eq!(cosine(bad, &[1.0, 1.0]), None);
    }
}

#[test]
fn numbers_contradict_what_an_embedding_takes_for_the_same() {
    let print = |plan| Fingerprint::of(&words("Learning rate", plan));
    let three = print("Set lr to 3e-3.");
    assert!(three.contradicts(&print("Set lr to 1e-2.")));
    assert!(!three.contradicts(&print("Lower the learning rate from 1e-2 to 0.003.")));
    assert!(!print("Warm up for 5% of 64k steps.").contradicts(&print("0.05 of 64000 steps")));
}
