//! Named places where a crash test makes the process die. Nothing at all in a normal build.

#[cfg(feature = "failpoints")]
macro_rules! crash_point {
    ($name:literal) => {
        if fail::eval($name, |_| ()).is_some() {
            std::process::abort()
        }
    };
}

#[cfg(not(feature = "failpoints"))]
macro_rules! crash_point {
    ($name:literal) => {};
}

pub(crate) use crash_point;
