// Runs a program in a page: const engine = autodiffEngine(program); engine.inputs[0] = 2; engine.run(); engine.values.
//
// A program has slots: its inputs, its constants, then one for the result of each instruction, made from earlier slots.
// Gradients are instructions as any other: there is no calculus here. The table below says how each operation of
// autodiff is evaluated, as Python's table does, with the same answers to zeros, infinities and nan.
var autodiffEngine = (() => {
  const isNothing = (x) => Object.is(x, -0);  // an adjoint that was not passed on
  const truth = (condition) => (condition ? 1 : 0);
  const isOdd = (x) => Math.abs(x % 2) === 1;

  // --- arithmetic ---

  const modulo = (x, y) => {  // with the sign of y
    const rest = x % y;
    if (rest === 0) return y < 0 || Object.is(y, -0) ? -0 : 0;
    return rest < 0 !== y < 0 && rest === rest ? rest + y : rest;
  };
  const floorDivide = (x, y) => {
    if (y === 0) return x / y;
    let rest = x % y;
    let quotient = (x - rest) / y;
    if (rest !== 0 && rest < 0 !== y < 0) quotient -= 1;
    if (quotient === 0) return x / y < 0 || Object.is(x / y, -0) ? -0 : 0;
    const whole = Math.floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
  };
  const power = (x, y) => {
    if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;  // as C99, for any y
    return Math.pow(x, y);
  };
  const roundToEven = (x) => {
    const whole = Math.floor(x);
    const rest = x - whole;
    return rest < 0.5 || (rest === 0.5 && whole % 2 === 0) ? whole : whole + 1;
  };
  const withSign = (size, x) => (x < 0 || Object.is(x, -0) ? -Math.abs(size) : Math.abs(size));
  const rational = (x) => {  // numerator and denominator of a finite number
    let denominator = 1n;
    while (x !== Math.trunc(x)) { x *= 2; denominator *= 2n; }
    return [BigInt(x), denominator];
  };
  const round = (x, digits) => {  // halves to even, of the exact number
    if (x - x !== 0) return x;
    if (digits - digits !== 0) return NaN;
    const places = Math.trunc(digits);
    if (places === 0) return withSign(roundToEven(x), x);
    if (places > 323 || x === 0) return x;
    if (places < -308) return withSign(0, x);
    let [numerator, denominator] = rational(Math.abs(x));
    if (places > 0) numerator *= 10n ** BigInt(places);
    else denominator *= 10n ** BigInt(-places);
    let whole = numerator / denominator;
    const twice = 2n * (numerator - whole * denominator);
    if (twice > denominator || (twice === denominator && whole % 2n === 1n)) whole += 1n;
    return withSign(Number(`${whole}e${-places}`), x);
  };
  const maximum = (x, y) => (x >= y || x !== x ? x : y);
  const minimum = (x, y) => (x <= y || x !== x ? x : y);

  // --- exponentials and angles ---

  const sigmoid = (x) => {  // by e^-|x|, which cannot overflow
    if (x >= 0) return 1 / (1 + Math.exp(-x));
    const e = Math.exp(x);
    return e / (1 + e);
  };
  const sech = (x) => {
    const e = Math.exp(-Math.abs(x));
    return 2 * e / (1 + e * e);
  };
  const squared = (x) => {  // x² in two parts: the rounded one, and what is missing in it
    const shifted = 134217729 * x;
    const high = shifted - (shifted - x);
    const low = x - high;
    return [x * x, high * high - x * x + 2 * high * low + low * low];
  };
  const norm = (xs) => {  // the root of the sum of squares, rounded as good as once: Math.hypot may err by two ulps
    const most = Math.max(...xs.map((x) => (x !== x ? 0 : Math.abs(x))));
    if (most === Infinity) return Infinity;
    const scale = most > 1e150 ? 2 ** -600 : most < 1e-140 ? 2 ** 600 : 1;
    let [sum, rest] = [0, 0];
    for (const x of xs) {
      const [square, missing] = squared(scale * x);
      const next = sum + square;
      rest += (sum >= square ? sum - next + square : square - next + sum) + missing;
      sum = next;
    }
    if (sum === 0) return 0;
    const root = Math.sqrt(sum + rest);
    const [square, missing] = squared(root);
    return (root + (sum - square + rest - missing) / (2 * root)) / scale;
  };
  const hypot = (x, y) => norm([x, y]);
  const cosine = (x, y) => {
    const length = hypot(x, y);
    return length === 0 ? 0 : x / length;
  };

  // --- error functions, by Chebyshev series ---

  const ERF = [  // of erf(x) / x in 2x² - 1, for x up to 1
    0.9754769393826541, -0.14226120510371365, 0.010035582187599796, -0.0005768764699767485, 2.741993125219606e-05,
    -1.1043175507344507e-06, 3.8488755420345036e-08, -1.1808582533875466e-09, 3.2334215826050907e-11,
    -7.991015947004549e-13, 1.7990725113961456e-14, -3.718635487818693e-16, 7.103599003714253e-18,
  ];
  const ERFC = [  // of e^x² erfc(x) (1 + 2x) in (x - 5) / (x + 4), for x from 1/2 on
    1.2084850269862097, -0.07504118427531181, -0.01797609535952797, 0.019913983473517725, -0.009629642061303496,
    0.0034016570174592317, -0.0009590585116410484, 0.00021946364960847366, -3.992509605200306e-05,
    5.346506073375822e-06, -3.896965160367219e-07, -2.588934827058383e-08, 1.15751693844568e-08,
    -1.1638472830435657e-09, -9.396205176477935e-11, 3.7416946098606003e-11, -1.801299234678387e-12,
    -7.494722358877375e-13, 1.106243440114905e-13, 1.1603049695508855e-14, -3.8328300291601775e-15,
    -1.1107715454737391e-16, 1.186619959331932e-16, -1.479426194955033e-18, -3.6673323800704265e-18,
  ];
  const series = (coefficients, x) => {
    let [last, before] = [0, 0];
    for (let i = coefficients.length - 1; i > 0; i -= 1) [last, before] = [coefficients[i] + 2 * x * last - before, last];
    return coefficients[0] + (x * last - before);
  };
  const bell = (x) => {  // e^-x², x in two parts, for the rounding of x² would be multiplied by x²
    const high = Math.fround(x);
    return Math.exp(-high * high) * Math.exp((high - x) * (high + x));
  };
  const erfc = (x) => {
    if (x !== x) return x;
    if (x < 0.5) return x < -0.5 ? 2 - erfc(-x) : 1 - erf(x);
    if (x > 28) return 0;
    return bell(x) * (series(ERFC, (x - 5) / (x + 4)) / (1 + 2 * x));
  };
  const erf = (x) => {
    if (Math.abs(x) <= 1) return x * series(ERF, 2 * x * x - 1);
    return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
  };

  // --- lists ---

  const added = (xs, start, compensated) => {  // as Python's sum: compensated from 3.12 on
    let total = start;
    let rest = 0;
    for (const x of xs) {
      const next = total + x;
      if (compensated) rest += Math.abs(total) >= Math.abs(x) ? total - next + x : x - next + total;
      total = next;
    }
    return rest !== 0 && Number.isFinite(rest) ? total + rest : total;
  };
  const largest = (xs) => xs.reduce((most, x) => (most !== most || x !== x ? NaN : x > most ? x : most));
  const smallest = (xs) => xs.reduce((least, x) => (least !== least || x !== x ? NaN : x < least ? x : least));
  const logsumexp = (xs, compensated) => {
    const most = largest(xs);
    if (most - most !== 0) return most;
    const others = [...xs];
    others.splice(others.indexOf(most), 1);
    return most + Math.log1p(added(others.map((x) => Math.exp(x - most)), 0, compensated));
  };
  const products = (wx) => {
    const half = wx.length / 2;
    const found = new Array(half);
    for (let i = 0; i < half; i += 1) found[i] = wx[i] * wx[half + i];
    return found;
  };

  const ofNumbers = {
    add: (x, y) => x + y,
    sub: (x, y) => x - y,
    mul: (x, y) => x * y,
    div: (x, y) => x / y,
    neg: (x) => -x,
    pow: power,
    mod: modulo,
    floordiv: floorDivide,
    abs: Math.abs,
    sign: (x) => Math.sign(x) + 0,
    floor: Math.floor,
    ceil: Math.ceil,
    round,
    square: (x) => x * x,
    reciprocal: (x) => 1 / x,
    exp: Math.exp,
    exp2: (x) => Math.pow(2, x),
    expm1: Math.expm1,
    log: Math.log,
    log2: Math.log2,
    log10: Math.log10,
    log1p: Math.log1p,
    sqrt: Math.sqrt,
    cbrt: Math.cbrt,
    sin: Math.sin,
    cos: Math.cos,
    tan: Math.tan,
    arcsin: Math.asin,
    arccos: Math.acos,
    arctan: Math.atan,
    arctan2: Math.atan2,
    hypot,
    arcsin_slope: (x) => 1 / Math.sqrt((1 - x) * (1 + x)),
    cosine,
    sinh: Math.sinh,
    cosh: Math.cosh,
    tanh: Math.tanh,
    arcsinh: Math.asinh,
    arccosh: Math.acosh,
    arctanh: Math.atanh,
    sech,
    erf,
    erfc,
    sigmoid,
    softplus: (x) => maximum(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    relu: (x) => maximum(x, 0),
    leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
    elu: (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x)),
    silu: (x) => x * sigmoid(x),
    gelu: (x) => x * (0.5 * erfc(-x * Math.sqrt(0.5))),
    maximum,
    minimum,
    clip: (x, low, high) => minimum(maximum(x, low), high),
    where: (condition, x, y) => (condition !== 0 ? x : y),
    softmax: (x, total) => Math.exp(x - total),
    log_softmax: (x, total) => x - total,
    less: (x, y) => truth(x < y),
    less_equal: (x, y) => truth(x <= y),
    equal: (x, y) => truth(x === y),
    not_equal: (x, y) => truth(x !== y),
    detach: (x) => x,
    nothing: (x) => truth(isNothing(x)),
    strong_mul: (x, y) => (isNothing(x) ? -0 : 0 + x * y),
  };
  const ofLists = {
    sum: (xs, compensated) => added(xs, -0, compensated),
    mean: (xs, compensated) => added(xs, -0, compensated) / xs.length,
    dot: (wx, compensated) => added(products(wx), -0, compensated),
    prod: (xs) => xs.reduce((product, x) => product * x, 1),
    norm,
    logsumexp,
    max: largest,
    min: smallest,
  };

  const engine = (program) => {
    const { codes, starts, operands, compensated } = program;
    const given = program.inputs.length;
    const first = given + program.constants.length;
    const values = new Float64Array(first + codes.length);
    values.set([...program.inputs, ...program.constants].map(Number));  // nan and the infinities are strings in JSON
    const known = program.operations.map((name) => {
      if (!Object.hasOwn(ofNumbers, name) && !Object.hasOwn(ofLists, name)) throw new Error(`no operation ${name}`);
      return { one: ofNumbers[name], all: ofLists[name] };
    });
    const steps = codes.map((code, i) => {
      const slots = operands.slice(starts[i], starts[i + 1]);
      return { ...known[code], slots, room: new Array(slots.length) };  // for the numbers of a list: made once
    });
    const run = () => {
      for (let i = 0; i < steps.length; i += 1) {
        const { one, all, slots, room } = steps[i];
        if (all === undefined) {
          values[first + i] = one(values[slots[0]], values[slots[1]], values[slots[2]]);
        } else {
          for (let k = 0; k < slots.length; k += 1) room[k] = values[slots[k]];
          values[first + i] = all(room, compensated);
        }
      }
      return values;
    };
    run();
    return { inputs: values.subarray(0, given), values, nodes: program.nodes, run };
  };

  // A number with at most so many significant digits, as Python writes it in every drawing: halves to even.
  engine.shortened = (x, most = 6) => {
    if (x - x !== 0) return x !== x ? "nan" : x < 0 ? "-inf" : "inf";
    if (x === 0) return isNothing(x) ? "-0" : "0";
    let [digits, exponent] = Math.abs(x).toExponential(most - 1).split("e");
    const [exact, power] = Math.abs(x).toExponential(40).split("e");
    const even = exact.slice(0, most + 1);
    if (/^50*$/.test(exact.slice(most + 1)) && "02468".includes(even.at(-1))) [digits, exponent] = [even, power];
    const [sign, place] = [x < 0 ? "-" : "", Number(exponent)];
    const bare = (text) => text.replace(/\.?0*$/, "");
    if (place < -4 || place >= most) {
      return `${sign}${bare(digits)}e${place < 0 ? "-" : "+"}${String(Math.abs(place)).padStart(2, "0")}`;
    }
    const all = digits.replace(".", "");
    const text = place < 0 ? `0.${"0".repeat(-place - 1)}${all}` : `${all.slice(0, place + 1)}.${all.slice(place + 1)}`;
    return sign + bare(text);
  };
  engine.operations = {
    ...ofNumbers,
    ...Object.fromEntries(Object.entries(ofLists).map(([name, all]) => [name, (...xs) => all(xs, false)])),
  };
  return engine;
})();
