"""The scikit-learn estimators: the library's own checks, equality with its estimators, certificates, choice of λ."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LassoCV, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from etatrick.errors import InputError
from etatrick.numerics import certify
from etatrick.numerics.estimators.classifier import ReweightedClassifier
from etatrick.numerics.estimators.classifier_cv import ReweightedClassifierCV
from etatrick.numerics.estimators.coefficient_path import CoefficientPath
from etatrick.numerics.estimators.regressor import ReweightedRegressor
from etatrick.numerics.estimators.regressor_cv import ReweightedRegressorCV
from etatrick.theory import derive, penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER

ESTIMATORS = [
    ReweightedRegressor(),
    ReweightedClassifier(),
    ReweightedRegressorCV(n_lams=3, cv=2),
    ReweightedClassifierCV(n_lams=2, cv=2),
]


@parametrize_with_checks(ESTIMATORS)  # type: ignore[untyped-decorator, unused-ignore]
@pytest.mark.filterwarnings("ignore")  # the checks pass odd data on purpose, and skip what needs pandas with a warning
def test_scikit_learn_accepts_them(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def diabetes() -> tuple[Any, Any]:
    X, y = load_diabetes(return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, Any]:
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[::3, ::2], y[::3]


def gap(coef: Any, reference: Any) -> float:
    return float(np.max(np.abs(coef - reference)) / (1 + np.max(np.abs(reference))))


def proof(model: Any) -> float:
    """Return the relative duality gap; without one there is no proof."""
    return np.inf if model.certificate_.relative_gap is None else float(model.certificate_.relative_gap)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_lasso_at_lam_n_alpha(alpha: float, intercept: bool, diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    theirs = Lasso(alpha=alpha, fit_intercept=intercept, tol=1e-14, max_iter=10**6).fit(X, y)
    ours = ReweightedRegressor("l1:k=1", lam=len(y) * alpha, fit_intercept=intercept).fit(X, y)
    assert gap(ours.coef_, theirs.coef_) <= SOLVER
    assert gap(ours.intercept_, theirs.intercept_) <= SOLVER
    assert proof(ours) <= CERTIFICATE
    assert ours.converged_


def test_elastic_net_and_ridge_with_weights(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    weights = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    total, ratio = weights.sum(), 0.7
    net = ElasticNet(alpha=0.01, l1_ratio=ratio, tol=1e-14, max_iter=10**6).fit(X, y, weights)
    mu = (1 - ratio) / ratio
    ours = ReweightedRegressor(f"elastic_net:mu={mu!r}", lam=total * 0.01 * ratio).fit(X, y, weights)
    assert gap(ours.coef_, net.coef_) <= SOLVER
    ridge = Ridge(alpha=0.5).fit(X, y, weights)
    smooth = ReweightedRegressor("ridge:c=1", lam=0.5).fit(X, y, weights)
    assert gap(smooth.coef_, ridge.coef_) <= SOLVER
    assert proof(ours) <= CERTIFICATE
    assert proof(smooth) <= CERTIFICATE


@pytest.mark.parametrize("lam", [0.5, 5.0])
def test_logistic_lasso_at_lam_one_over_c(lam: float, cancer: tuple[Any, Any]) -> None:
    X, y = cancer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the spelling of the penalty differs between versions
        lasso = {"penalty": "elasticnet", "l1_ratio": 1.0, "solver": "saga"}
        theirs = LogisticRegression(C=1 / lam, tol=1e-11, max_iter=10**5, **lasso).fit(X, y)
    ours = ReweightedClassifier("l1:k=1", lam=lam).fit(X, y)
    assert gap(ours.coef_, theirs.coef_) <= SOLVER
    assert gap(ours.predict_proba(X), theirs.predict_proba(X)) <= SOLVER
    assert proof(ours) <= CERTIFICATE


def test_poisson_ridge() -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((80, 3))
    y = rng.poisson(np.exp(0.5 * X[:, 0] + 0.3)).astype(float)
    theirs = PoissonRegressor(alpha=0.1, tol=1e-12, max_iter=10**4).fit(X, y)
    ours = ReweightedRegressor("ridge:c=1", lam=0.1 * len(y), loss="poisson").fit(X, y)
    assert gap(ours.coef_, theirs.coef_) <= SOLVER
    assert gap(ours.predict(X), theirs.predict(X)) <= SOLVER


def test_more_classes_are_one_against_the_rest() -> None:
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = ReweightedClassifier("l1:k=1", lam=1.0).fit(X, names)
    assert model.coef_.shape == (3, 4)
    for index, label in enumerate(model.classes_):
        alone = ReweightedClassifier("l1:k=1", lam=1.0).fit(X, names == label)
        assert gap(model.coef_[index], alone.coef_[0]) <= FLOAT64
    shares = model.predict_proba(X)
    single = 1 / (1 + np.exp(-model.decision_function(X)))
    assert gap(shares, single / single.sum(axis=1, keepdims=True)) <= FLOAT64
    assert len(model.certificates_) == 3
    assert model.certificate_.value == max(one.value for one in model.certificates_) <= CERTIFICATE
    assert model.score(X, names) > 0.9


@pytest.mark.parametrize("penalty", ["log_sum:epsilon=0.1", penalties["mcp"](A=1), derive(penalty="log(1+w/0.1)")])
def test_nonconvex_penalties_are_stationary_by_a_second_certificate(penalty: Any) -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((40, 8))
    y = 2 * X[:, 0] + 0.3 * rng.standard_normal(40)
    model = ReweightedRegressor(penalty, lam=1.0).fit(X, y)
    exact = penalty if not isinstance(penalty, str) else penalties["log_sum"](epsilon=0.1)
    again = certify(X, y, model.coef_, exact, 1.0, fit_intercept=True)
    assert model.certificate_.relative_gap is None
    assert again.relative_kkt <= FLOAT64
    moved = certify(X, y, model.coef_ + 1e-3, exact, 1.0, fit_intercept=True)
    assert moved.relative_kkt > FLOAT64
    assert np.count_nonzero(model.coef_) < 8


def test_scales_that_share_a_budget_need_dense_data() -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((20, 5))
    model = ReweightedRegressor("k_support:k=2", lam=1.0).fit(X, X[:, 0])
    assert proof(model) <= CERTIFICATE
    with pytest.raises(TypeError, match=r"[Ss]parse data"):
        clone(model).fit(sparse.csr_array(X), X[:, 0])
    with pytest.raises(InputError, match="squared"):
        clone(model).set_params(loss="poisson").fit(X, np.ones(20))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array])
def test_sparse_data_give_the_same(kind: Any) -> None:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((50, 10)) * (rng.random((50, 10)) < 0.3)
    y = X[:, 0] + 0.1 * rng.standard_normal(50)
    dense, thin = (ReweightedRegressor("l1:k=1", lam=0.5).fit(data, y) for data in (X, kind(X)))
    assert gap(thin.coef_, dense.coef_) <= FLOAT64
    assert gap(thin.predict(kind(X)), dense.predict(X)) <= FLOAT64


def test_the_chosen_lam_is_lasso_cvs() -> None:
    rng = np.random.default_rng(8)
    X = rng.standard_normal((60, 30))
    y = X[:, :3].sum(axis=1) + 2 * rng.standard_normal(60)
    alphas = np.geomspace(2.0, 0.01, 12)
    folds = KFold(4, shuffle=True, random_state=0)
    theirs = LassoCV(alphas=alphas, cv=folds, tol=1e-10, max_iter=10**6).fit(X, y)
    ours = ReweightedRegressorCV("l1:k=1", lams=alphas * len(y), cv=folds).fit(X, y)
    assert ours.lam_ == pytest.approx(theirs.alpha_ * len(y))
    assert gap(-2 * ours.scores_, theirs.mse_path_) <= SOLVER
    assert gap(ours.coef_, theirs.coef_) <= SOLVER
    assert 0 < int(np.argmax(ours.scores_.mean(axis=1))) < 11  # a choice in the middle, so that it could differ


def test_the_choice_by_hand_with_weights(cancer: tuple[Any, Any]) -> None:
    X, y = cancer
    weights = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    lams = np.geomspace(50, 0.1, 5)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    model = ReweightedClassifierCV("l1:k=1", lams=lams[::-1], cv=splits).fit(X, y, weights)
    np.testing.assert_array_equal(model.lams_, lams)
    for column, (train, test) in enumerate(splits):
        for row, lam in enumerate(lams):
            part = ReweightedClassifier("l1:k=1", lam=lam * weights[train].sum() / weights.sum())
            shares = part.fit(X[train], y[train], weights[train]).predict_proba(X[test])
            score = np.average(np.log(shares[np.arange(len(test)), y[test]]), weights=weights[test])
            assert abs(model.scores_[row, column] - score) <= SOLVER
    best = model.scores_.mean(axis=1).argmax()
    assert model.lam_ == lams[best]
    single = ReweightedClassifier("l1:k=1", lam=model.lam_).fit(X, y, weights)
    assert gap(model.coef_, single.coef_) <= SOLVER
    assert gap(model.path_.coefs[best], single.coef_[0]) <= SOLVER
    assert proof(model) <= CERTIFICATE


@pytest.mark.parametrize("penalty", ["l1:k=1", "ridge:c=2", "lp:p=0.5"])
def test_a_default_grid_starts_where_little_is_left(penalty: str, diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    path = ReweightedRegressor(penalty).compute_path(X, y, n_lams=4)
    assert isinstance(path, CoefficientPath)
    assert (np.diff(path.lams) < 0).all()
    assert path.lams[-1] == pytest.approx(1e-3 * path.lams[0])
    plain = np.abs(Ridge(alpha=1e-10).fit(X, y).coef_).max()
    assert np.abs(path.coefs[0]).max() <= (0 if penalty == "l1:k=1" else plain)
    assert np.abs(path.coefs[0]).max() < np.abs(path.coefs[-1]).max()
    assert max(one.value for one in path.certificates) <= FLOAT64


def test_pipelines_grid_search_clone_and_pickle(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), ReweightedRegressor(penalties["l1"](k=1)))
    search = GridSearchCV(pipe, {"reweightedregressor__lam": [1.0, 1e3, 1e6]}, cv=3).fit(X, y)
    assert search.best_params_["reweightedregressor__lam"] < 1e6
    model = search.best_estimator_[-1]
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_array_equal(again.coef_, model.coef_)
    assert again.certificate_ == model.certificate_
    copy = clone(model)
    assert not hasattr(copy, "coef_")
    assert copy.lam == model.lam


def test_paths_are_drawn(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    model = ReweightedRegressor(lam=100.0).fit_path(X, y, n_lams=5)
    figure = model.plot_path()
    ax = figure.axes[0]
    assert len(ax.lines) == 11  # ten coefficients and the mark at λ
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), 100.0)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), model.path_.lams)
    assert model.plot_path(ax) is figure
    iris = ReweightedClassifier().fit_path(*load_iris(return_X_y=True), n_lams=3)
    assert iris.path_.coefs.shape == (3, 3, 4)
    assert len(iris.plot_path().axes) == 3
    with pytest.raises(InputError, match="panels"):
        iris.plot_path(ax)
    with pytest.raises(InputError, match="fit_path"):
        ReweightedRegressor().fit(X, y).plot_path()


def test_separable_classes_without_a_penalty_are_told() -> None:
    X, y = np.arange(6.0)[:, None], [0, 0, 0, 1, 1, 1]
    with pytest.warns(ConvergenceWarning, match="lam > 0"):
        model = ReweightedClassifier(lam=0.0).fit(X, y)
    assert not model.converged_


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"penalty": "log_sun:epsilon=1"}, "log_sum"),
        ({"penalty": "log_sum"}, "epsilon"),
        ({"penalty": "log_sum:epsilon=-1"}, "epsilon"),
        ({"penalty": "k_support:k=0"}, "k ≥ 1"),
        ({"penalty": 3}, "no penalty"),
        ({"lam": -1.0}, "≥ 0"),
        ({"lam": float("nan")}, "≥ 0"),
        ({"lam": "cv"}, "≥ 0"),
        ({"loss": "hinge"}, "squared"),
        ({"loss": "poisson"}, "≥ 0"),
        ({"tol": 0.0}, "strictly"),
    ],
)
def test_bad_parameters_are_named_when_fitting(parameters: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        ReweightedRegressor(**parameters).fit(np.eye(3), [1.0, -2.0, 3.0])


@pytest.mark.parametrize("parameters", [{"lams": []}, {"lams": [1.0, np.inf]}, {"lams": 3.0}, {"lams": "path"},
                                        {"n_lams": 0}, {"n_lams": 2.5}, {"ratio": 1.0}])  # fmt: skip
def test_bad_grids_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ReweightedRegressorCV(**parameters, cv=2).fit(np.eye(4), np.arange(4.0))


def test_folds_without_weight_are_refused() -> None:
    weights = np.r_[np.ones(5), np.zeros(5)]
    X = np.random.default_rng(0).standard_normal((10, 2))
    with pytest.raises(InputError, match="fold"):
        ReweightedRegressorCV(cv=KFold(2)).fit(X, X[:, 0], weights)
