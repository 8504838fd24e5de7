//! Routes and their descriptions, which come together only.

use axum::{Router, extract::Request, handler::Handler, middleware::map_request, routing};

use super::{Op, inputs::Inputs};
use crate::{ApiError, State};

/// Says what an operation is, once somebody asks.
pub(super) type Describe = Box<dyn for<'a> FnOnce(Op<'a>) -> Op<'a>>;

/// The routes of one resource, relative to `/api/v1`.
pub(crate) struct Routes {
    router: Router<State>,
    groups: Vec<Group>,
}

/// What is said of one resource.
pub(super) struct Group {
    /// Its name, which stands over its operations.
    pub(super) tag: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// What the arguments in its paths are.
    pub(super) args: Vec<(&'static str, &'static str)>,
    /// What can be done.
    pub(super) operations: Vec<Operation>,
}

/// One thing that can be done.
pub(super) struct Operation {
    /// `get`, `post` …
    pub(super) method: &'static str,
    /// With its arguments in braces.
    pub(super) path: &'static str,
    /// A line.
    pub(super) summary: &'static str,
    /// The rest.
    pub(super) describe: Describe,
}

/// The methods that a route can have: each takes the path, a line that says what it does, the
/// handler, and what it answers.
macro_rules! methods {
    ($($method:ident)*) => {$(
        #[doc = concat!("A route of the method `", stringify!($method), "`.")]
        #[must_use]
        pub(crate) fn $method<H, T>(
            mut self,
            path: &'static str,
            summary: &'static str,
            handler: H,
            describe: impl for<'a> FnOnce(Op<'a>) -> Op<'a> + 'static,
        ) -> Self
        where
            H: Handler<T, State>,
            T: Inputs + 'static,
        {
            let route = routing::$method(handler);
            let route = if T::QUERY { route } else { route.route_layer(map_request(no_query)) };
            self.router = self.router.route(path, route);
            let describe: Describe = Box::new(move |mut op| {
                T::describe(&mut op);
                describe(op)
            });
            let method = stringify!($method);
            let operation = Operation { method, path, summary, describe };
            if let Some(group) = self.groups.last_mut() {
                group.operations.push(operation);
            }
            self
        }
    )*};
}

/// A parameter that nobody reads is a mistake: who sends `dry_run` means it.
async fn no_query(request: Request) -> Result<Request, ApiError> {
    match request.uri().query() {
        None | Some("") => Ok(request),
        Some(_) => Err(ApiError::invalid("there are no parameters here")),
    }
}

impl Routes {
    /// None yet, of a resource with that name.
    pub(crate) fn of(tag: &'static str, about: &'static str) -> Self {
        let group = Group { tag, about, args: Vec::new(), operations: Vec::new() };
        Self { router: Router::new(), groups: vec![group] }
    }

    /// Says what an argument in the paths of this resource is.
    #[must_use]
    pub(crate) fn arg(mut self, name: &'static str, about: &'static str) -> Self {
        if let Some(group) = self.groups.last_mut() {
            group.args.push((name, about));
        }
        self
    }

    methods!(get post put delete);

    /// The routes of two resources.
    #[must_use]
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.groups.extend(other.groups);
        self
    }

    /// They, to be served.
    pub(crate) fn served(self) -> Router<State> {
        self.router
    }

    /// They, to be described.
    pub(super) fn described(self) -> Vec<Group> {
        self.groups
    }
}
