//! What a handler takes, read off the types of its arguments.

use axum::{extract::Request, http::Method};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Op;
use crate::{
    auth::Standing,
    state::Asker,
    take::{Args, Json, Pairs, Params},
};

/// An argument of a handler.
pub(crate) trait Input {
    /// Whether it reads the query.
    const QUERY: bool = false;

    /// Says what it takes of a request.
    fn describe(op: &mut Op<'_>);
}

impl Input for Asker {
    fn describe(_: &mut Op<'_>) {}
}

impl Input for Standing {
    fn describe(_: &mut Op<'_>) {}
}

impl Input for Method {
    fn describe(_: &mut Op<'_>) {}
}

impl<T: JsonSchema> Input for Args<T> {
    fn describe(op: &mut Op<'_>) {
        op.take_args::<T>();
    }
}

impl<T: JsonSchema> Input for Params<T> {
    const QUERY: bool = true;

    fn describe(op: &mut Op<'_>) {
        op.take_query::<T>();
    }
}

impl Input for Pairs {
    const QUERY: bool = true;

    fn describe(op: &mut Op<'_>) {
        op.take_pairs();
    }
}

impl<T: JsonSchema + DeserializeOwned> Input for Json<T> {
    fn describe(op: &mut Op<'_>) {
        op.take_json::<T>();
    }
}

impl Input for Request {
    fn describe(op: &mut Op<'_>) {
        op.take_all();
    }
}

/// All arguments of a handler, as axum tells them: behind a mark of its own.
pub(crate) trait Inputs {
    /// Whether one of them reads the query.
    const QUERY: bool;

    /// Says what they take of a request.
    fn describe(op: &mut Op<'_>);
}

macro_rules! inputs {
    ($($input:ident)*) => {
        impl<M, $($input: Input),*> Inputs for (M, $($input,)*) {
            const QUERY: bool = $($input::QUERY)||*;

            fn describe(op: &mut Op<'_>) {
                $($input::describe(op);)*
            }
        }
    };
}

inputs!(A);
inputs!(A B);
inputs!(A B C);
inputs!(A B C D);
inputs!(A B C D E);
