//! Renders the techniques of an idea into one patch.

use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{
    Answered, Codebase, Fault, FaultClass, Idea, Implementer, Patch, PatchError, Refusal, Task,
};
use autores_templates::catalogue::Catalogue;

/// Implements ideas that consist of the catalogue's techniques.
#[derive(Debug, Clone)]
pub struct CatalogueImplementer {
    catalogue: Arc<Catalogue>,
}

impl CatalogueImplementer {
    /// An implementer that knows these techniques.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }

    /// The edits of all techniques in their order, applied once to see that they fit together.
    fn patch(&self, idea: &Idea, codebase: &Codebase) -> Result<Patch, Fault> {
        let fault = |reason: String| Fault::new(FaultClass::Patch, reason);
        let mut patch = Patch::default();
        for (index, used) in idea.techniques.iter().enumerate() {
            let technique = self.catalogue.get(&used.technique).ok_or_else(|| {
                fault(format!("the catalogue has no technique {:?}", used.technique))
            })?;
            let edits = technique
                .edits(&used.knobs)
                .map_err(|error| fault(format!("technique {}: {error}", used.technique)))?;
            patch.edits.extend(edits);
            match patch.apply(codebase) {
                Ok(_) => {}
                Err(PatchError::Nothing) if index + 1 < idea.techniques.len() => {}
                Err(error) if index == 0 => {
                    return Err(fault(format!("technique {}: {error}", used.technique)));
                }
                Err(error) => {
                    let before: Vec<&str> =
                        idea.techniques[..index].iter().map(|t| t.technique.as_str()).collect();
                    return Err(fault(format!(
                        "technique {} conflicts with {}: {error}",
                        used.technique,
                        before.join(", ")
                    )));
                }
            }
        }
        if patch.edits.is_empty() {
            return Err(fault("the idea names no technique of the catalogue".into()));
        }
        Ok(patch)
    }
}

#[async_trait]
impl Implementer for CatalogueImplementer {
    async fn implement(&self, task: &Task) -> Answered<Result<Patch, Refusal<Fault>>> {
        let patch = match &task.broken {
            None => self.patch(&task.idea, &task.code),
            Some(broken) => Err(Fault::new(
                FaultClass::Patch,
                format!(
                    "the catalogue's code of {} ended with {}, and it has no other",
                    task.idea.id, broken.fault.class
                ),
            )),
        };
        Answered::free(patch.map_err(Refusal::Failed))
    }
}
