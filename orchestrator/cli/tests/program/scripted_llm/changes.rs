//! What scripted ideas change in the code of `pretrain`: a table, from which ideas are numbered without end.

/// One place in a file: these lines, of which there is one, become those. A new file has nothing to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) path: String,
    pub(crate) find: String,
    pub(crate) replace: String,
}

/// An idea and the edits that carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scripted {
    pub(crate) number: usize,
    pub(crate) title: String,
    pub(crate) hypothesis: String,
    pub(crate) plan: String,
    pub(crate) edits: Vec<Edit>,
}

/// A change with several values. `VALUE` stands for one of them.
struct Family {
    title: &'static str,
    hypothesis: &'static str,
    plan: &'static str,
    /// Path, what to find, what to put in its place.
    edits: &'static [(&'static str, &'static str, &'static str)],
    values: &'static [&'static str],
}

const FAMILIES: [Family; 26] = [
    Family {
        title: "Learning rate VALUE",
        hypothesis: "The peak is not where this budget needs it.",
        plan: "Give `learning_rate` of Config the value VALUE.",
        edits: &[(
            "config.py",
            "    learning_rate: float = 4e-3",
            "    learning_rate: float = VALUE",
        )],
        values: &["3e-3", "6e-3", "8e-3"],
    },
    Family {
        title: "MLP activation VALUE",
        hypothesis: "Another non-linearity gives sparser or smoother features.",
        plan: "In MLP.forward of model.py compute VALUE where GELU is.",
        edits: &[("model.py", "        inner = F.gelu(inner)", "        inner = VALUE")],
        values: &["F.relu(inner).square()", "F.silu(inner)", "F.mish(inner)"],
    },
    Family {
        title: "Second moment decay VALUE",
        hypothesis: "The variance of gradients is forgotten at the wrong pace.",
        plan: "Let `beta2` of Config be VALUE.",
        edits: &[("config.py", "    beta2: float = 0.95", "    beta2: float = VALUE")],
        values: &["0.98", "0.99"],
    },
    Family {
        title: "Logits capped softly at VALUE",
        hypothesis: "Bounded logits keep rare tokens from dominating the gradient.",
        plan: "In GPT.forward squash the logits with tanh to the range of VALUE.",
        edits: &[(
            "model.py",
            "        logits = self.head(x)",
            "        logits = VALUE * (self.head(x) / VALUE).tanh()",
        )],
        values: &["15", "30"],
    },
    Family {
        title: "Falling part of the schedule as VALUE",
        hypothesis: "Half a cosine spends too long at rates that are too small.",
        plan: "In multiplier of schedule.py let `falling` be VALUE.",
        edits: &[(
            "schedule.py",
            "    falling = 0.5 * (1 + math.cos(math.pi * through))",
            "    falling = VALUE",
        )],
        values: &["1 - through", "(1 - through) ** 0.5", "1 - through**3"],
    },
    Family {
        title: "Weight decay VALUE",
        hypothesis: "So short a run is regularised enough, or not at all.",
        plan: "Put VALUE as `weight_decay` into Config.",
        edits: &[("config.py", "    weight_decay: float = 0.1", "    weight_decay: float = VALUE")],
        values: &["0.02", "0.3"],
    },
    Family {
        title: "Token embeddings multiplied by VALUE",
        hypothesis: "The residual stream starts too small beside what blocks add.",
        plan: "In GPT.forward scale what self.tokens gives by VALUE.",
        edits: &[(
            "model.py",
            "        x = self.tokens(tokens)",
            "        x = VALUE * self.tokens(tokens)",
        )],
        values: &["2.5", "0.4"],
    },
    Family {
        title: "Warm-up over VALUE of the budget",
        hypothesis: "The ramp takes steps that could be taken at full speed.",
        plan: "Let `warmup` be VALUE in Config.",
        edits: &[("config.py", "    warmup: float = 0.05", "    warmup: float = VALUE")],
        values: &["0.02", "0.12"],
    },
    Family {
        title: "Label smoothing VALUE",
        hypothesis: "Softer targets calm the gradient of frequent bytes.",
        plan: "In loss_of of train.py pass label_smoothing=VALUE to the cross entropy.",
        edits: &[(
            "train.py",
            "    loss = F.cross_entropy(flat, targets.flatten())",
            "    loss = F.cross_entropy(flat, targets.flatten(), label_smoothing=VALUE)",
        )],
        values: &["0.01", "0.04"],
    },
    Family {
        title: "Initial weights with deviation VALUE",
        hypothesis: "Layers begin too loud for their depth.",
        plan: "Choose VALUE for `init_std` of Config.",
        edits: &[("config.py", "    init_std: float = 0.1", "    init_std: float = VALUE")],
        values: &["0.06", "0.14"],
    },
    Family {
        title: "Attention temperature with scale VALUE",
        hypothesis: "Sharper or flatter attention suits windows this short.",
        plan: "In Attention.forward hand scale=VALUE to the attention function.",
        edits: &[(
            "model.py",
            "        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)",
            "        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=VALUE)",
        )],
        values: &["0.18", "0.36"],
    },
    Family {
        title: "Gradient norm clipped at VALUE",
        hypothesis: "Rare large gradients move the weights too far.",
        plan: "Limit the norm by `clip` = VALUE in Config.",
        edits: &[(
            "config.py",
            "    clip: float = 1.0  # largest norm of the whole gradient",
            "    clip: float = VALUE  # largest norm of the whole gradient",
        )],
        values: &["0.5", "2.0"],
    },
    Family {
        title: "Vectors learn VALUE times as fast",
        hypothesis: "Gains and biases may move more than matrices.",
        plan: "In build_optimizers multiply the peak of the group of vectors by VALUE.",
        edits: &[(
            "optimizer.py",
            "        {\"params\": vectors, \"peak\": rate, \"weight_decay\": 0.0},",
            "        {\"params\": vectors, \"peak\": VALUE * rate, \"weight_decay\": 0.0},",
        )],
        values: &["1.7", "0.6"],
    },
    Family {
        title: "Hidden layer of the MLP VALUE times the width",
        hypothesis: "Steps are worth more than features at this size.",
        plan: "Let `mlp_ratio` be VALUE.",
        edits: &[(
            "config.py",
            "    mlp_ratio: float = 4.0  # hidden width of the MLP over the model's",
            "    mlp_ratio: float = VALUE  # hidden width of the MLP over the model's",
        )],
        values: &["3.25", "2.25"],
    },
    Family {
        title: "Queries normalised to length VALUE",
        hypothesis: "Attention logits grow without bound otherwise.",
        plan: "In Attention.forward divide each query by its norm and multiply it by VALUE.",
        edits: &[(
            "model.py",
            "        q = self.split(self.query(x))",
            "        q = VALUE * F.normalize(self.split(self.query(x)), dim=-1)",
        )],
        values: &["3.5", "7.5"],
    },
    Family {
        title: "First moment decay VALUE",
        hypothesis: "Momentum smooths more than a short run can afford.",
        plan: "Take VALUE as `beta1`.",
        edits: &[("config.py", "    beta1: float = 0.9", "    beta1: float = VALUE")],
        values: &["0.85", "0.8"],
    },
    Family {
        title: "Damped attention branch, factor VALUE, from a module of its own",
        hypothesis: "Smaller updates of the residual stream are easier to learn early.",
        plan: "Add modules/damping.py with a function `damped` that multiplies by VALUE, and call it in Block.forward.",
        edits: &[
            (
                "modules/damping.py",
                "",
                "\"\"\"Damping of a branch.\"\"\"\n\nfrom torch import Tensor\n\n\ndef damped(x: Tensor) -> Tensor:\n    \"\"\"A part of `x`.\"\"\"\n    return VALUE * x",
            ),
            (
                "model.py",
                "from config import Config",
                "from config import Config\nfrom modules.damping import damped",
            ),
            ("model.py", "        x = x + attended", "        x = x + damped(attended)"),
        ],
        values: &["0.7", "0.55"],
    },
    Family {
        title: "Rate at the end VALUE of the peak",
        hypothesis: "What is left at the end keeps the weights from settling.",
        plan: "Let `final_rate` fall to VALUE.",
        edits: &[("config.py", "    final_rate: float = 0.1", "    final_rate: float = VALUE")],
        values: &["0.01", "0.25"],
    },
    Family {
        title: "AdamW with epsilon VALUE",
        hypothesis: "Tiny second moments make steps of noise.",
        plan: "Pass eps=VALUE to AdamW in optimizer.py.",
        edits: &[(
            "optimizer.py",
            "    adamw = torch.optim.AdamW(groups, lr=rate, betas=(config.beta1, config.beta2), fused=True)",
            "    betas = (config.beta1, config.beta2)\n    adamw = torch.optim.AdamW(groups, lr=rate, betas=betas, eps=VALUE, fused=True)",
        )],
        values: &["1e-6", "1e-10"],
    },
    Family {
        title: "MLP branch weighted by VALUE",
        hypothesis: "Features of single tokens say less than those of their neighbours.",
        plan: "In Block.forward add VALUE times what the MLP gives.",
        edits: &[("model.py", "        x = x + fed", "        x = x + VALUE * fed")],
        values: &["0.65", "1.35"],
    },
    Family {
        title: "Attention in VALUE heads",
        hypothesis: "The size of a head is wrong for this width.",
        plan: "Split the width into VALUE: `heads` of Config.",
        edits: &[("config.py", "    heads: int = 4", "    heads: int = VALUE")],
        values: &["2", "8"],
    },
    Family {
        title: "Final normalisation by VALUE",
        hypothesis: "Means carry nothing that the head needs.",
        plan: "Construct `self.norm` of GPT as VALUE.",
        edits: &[(
            "model.py",
            "        self.norm = nn.LayerNorm(config.width)",
            "        self.norm = VALUE",
        )],
        values: &["nn.RMSNorm(config.width)"],
    },
    Family {
        title: "Batches of VALUE windows",
        hypothesis: "The noise of the gradient and the number of steps are out of balance.",
        plan: "`batch` becomes VALUE, steps change accordingly.",
        edits: &[(
            "config.py",
            "    batch: int = 8  # windows in an optimizer step, over all processes",
            "    batch: int = VALUE  # windows in an optimizer step, over all processes",
        )],
        values: &["6", "12"],
    },
    Family {
        title: "Windows of VALUE tokens",
        hypothesis: "Context is dear, or too short to learn from.",
        plan: "`context` of Config becomes VALUE.",
        edits: &[(
            "config.py",
            "    context: int = 32  # tokens in a window",
            "    context: int = VALUE  # tokens in a window",
        )],
        values: &["24", "48"],
    },
    Family {
        title: "Remark on the count of tokens: VALUE",
        hypothesis: "Nothing should change, which shows how far seeds alone go.",
        plan: "Write the remark VALUE behind the line of train.py where tokens start.",
        edits: &[("train.py", "    tokens = 0", "    tokens = 0  # VALUE")],
        values: &["over all processes", "of all windows"],
    },
    Family {
        title: "Logits computed from VALUE of the last state",
        hypothesis: "The head reads less noise from a smaller state.",
        plan: "In GPT.forward multiply the normalised state by VALUE.",
        edits: &[("model.py", "        x = self.norm(x)", "        x = VALUE * self.norm(x)")],
        values: &["0.45", "1.8"],
    },
];

/// The idea of this number, from 0. Single changes come first, then pairs; no two are the same.
pub(crate) fn idea(number: usize) -> Scripted {
    let singles = singles();
    let Some(pair) = number.checked_sub(singles.len()) else {
        return Scripted { number, ..singles[number].clone() };
    };
    let count = singles.len();
    let pairs =
        (1..count).flat_map(|distance| (0..count - distance).map(move |at| (at, at + distance)));
    let (one, other) = pairs
        .map(|(one, other)| (&singles[one], &singles[other]))
        .filter(|(one, other)| is_apart(one, other))
        .nth(pair)
        .unwrap();
    Scripted {
        number,
        title: format!("{}, and {}", one.title, other.title),
        hypothesis: format!("{} {}", one.hypothesis, other.hypothesis),
        plan: format!("{} {}", one.plan, other.plan),
        edits: [one.edits.clone(), other.edits.clone()].concat(),
    }
}

/// How many ideas are a single change.
pub(crate) fn single_count() -> usize {
    FAMILIES.iter().map(|family| family.values.len()).sum()
}

/// Every value of every family, neighbours of different families.
fn singles() -> Vec<Scripted> {
    let most = FAMILIES.iter().map(|family| family.values.len()).max().unwrap_or(0);
    let all = (0..most).flat_map(|at| FAMILIES.iter().filter_map(move |family| single(family, at)));
    all.enumerate().map(|(number, idea)| Scripted { number, ..idea }).collect()
}

fn single(family: &Family, at: usize) -> Option<Scripted> {
    let value = family.values.get(at)?;
    let filled = |text: &str| text.replace("VALUE", value);
    let edit = |(path, find, replace): &(&str, &str, &str)| Edit {
        path: (*path).to_owned(),
        find: (*find).to_owned(),
        replace: filled(replace),
    };
    Some(Scripted {
        number: 0,
        title: filled(family.title),
        hypothesis: family.hypothesis.to_owned(),
        plan: filled(family.plan),
        edits: family.edits.iter().map(edit).collect(),
    })
}

/// Whether two changes have no place in common.
fn is_apart(one: &Scripted, other: &Scripted) -> bool {
    !one.edits.iter().any(|a| other.edits.iter().any(|b| a.path == b.path && a.find == b.find))
}
