/*
 * Draws the charts of a report from the JSON in #data, with Chart.js.
 * Colours follow the reader's scheme and are light on paper.
 */

'use strict';

(() => {
    const data = JSON.parse(document.getElementById('data').textContent);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const palette = {
        light: ['#0068b5', '#c44e00', '#00805c', '#a3387c', '#7a6a00',
                '#4a4fb8', '#8c2d2d', '#4d5963'],
        dark: ['#56aaeb', '#f0924c', '#3fc79a', '#e48bc4', '#d9c64a',
               '#9a9ef2', '#ee8b8b', '#b4bec8']
    };
    const dashes = [[], [6, 4], [2, 3]];
    let charts = [];

    const line = (name, x, y, i, more) => Object.assign({
        label: name,
        data: x.map((v, k) => ({ x: v, y: y[k] })),
        index: i,
        borderWidth: 2,
        borderDash: dashes[Math.floor(i / 8) % 3],
        pointRadius: 0,
        pointHitRadius: 6,
        tension: 0,
        clip: 4
    }, more);

    const guide = (points, text) => ({
        label: text, data: points, index: -1, borderWidth: 1,
        borderDash: [4, 4], pointRadius: 0, pointHitRadius: 0, order: -1
    });

    const unit = (title) => ({ type: 'linear', min: 0, max: 1,
                               title: { display: true, text: title } });
    const free = (title) => ({ type: 'linear',
                               title: { display: true, text: title } });

    /* id of a canvas -> its datasets, axes and more */
    const plots = {};

    const areas = (kind, x, y, title, area) => {
        plots[kind] = {
            x: unit(title[0]), y: unit(title[1]),
            sets: data.curves.map((c, i) => line(
                area(c), c[kind][x], c[kind][y], i,
                c.micro ? { borderDash: [8, 3, 2, 3] } : {}))
        };
    };

    const number = (v) => v === null ? 'undefined'
                          : Number(v).toPrecision(4);

    if (data.curves) {
        areas('roc', 'x', 'y', ['False positive rate', 'True positive rate'],
              (c) => c.name + ': area ' + number(c.auc));
        plots.roc.sets.push(guide([{ x: 0, y: 0 }, { x: 1, y: 1 }],
                                  'chance'));
        areas('pr', 'x', 'y', ['Recall', 'Precision'],
              (c) => c.name + ': AP ' + number(c.ap));

        if (data.curves.some((c) => c.calibration)) {
            plots.calibration = {
                x: unit('Mean predicted probability'),
                y: unit('Share of the class'),
                sets: data.curves.map((c, i) => c.calibration && line(
                    c.name, c.calibration.x, c.calibration.y, i,
                    { pointRadius: 3 })).filter(Boolean)
            };
            plots.calibration.sets.push(
                guide([{ x: 0, y: 0 }, { x: 1, y: 1 }], 'calibrated'));
        }
    }

    if (data.points) {
        const p = data.points;

        plots.points = {
            type: 'scatter', x: free('True'), y: free('Predicted'),
            sets: [line(p.name, p.y, p.predicted, 0,
                        { pointRadius: 2, showLine: false }),
                   Object.assign(guide([{ x: p.low, y: p.low },
                                        { x: p.high, y: p.high }],
                                       'exact'), { showLine: true })]
        };
        plots.errors = {
            type: 'bar', labels: p.bins.map((v) => Number(v).toPrecision(3)),
            x: { title: { display: true, text: 'Predicted - true' } },
            y: { beginAtZero: true,
                 title: { display: true, text: 'Rows' } },
            sets: [{ label: 'rows', data: p.rows, index: 0, barPercentage: 1,
                     categoryPercentage: 0.95 }]
        };
    }

    (data.log || []).forEach((g, k) => {
        plots['log' + k] = {
            x: Object.assign(free(data.step),
                             { ticks: { precision: 0 } }),
            y: free(g.name),
            sets: g.lines.map((l, i) => line(
                l.name, l.x, l.y, i,
                { pointRadius: l.x.length < 40 ? 2 : 0 }))
        };
    });

    const draw = (scheme) => {
        const css = getComputedStyle(document.documentElement);
        const ink = scheme === 'print' ? '#000'
                    : css.getPropertyValue('--ink').trim();
        const soft = scheme === 'print' ? '#bbb'
                     : css.getPropertyValue('--line').trim();
        const colors = palette[scheme === 'dark' ? 'dark' : 'light'];

        charts.forEach((c) => c.destroy());
        charts = [];

        for (const [id, p] of Object.entries(plots)) {
            const canvas = document.getElementById(id);
            const color = (i) => i < 0 ? ink : colors[i % colors.length];
            const axis = (a) => Object.assign({}, a, {
                grid: { color: soft, borderColor: soft },
                ticks: Object.assign({ color: ink }, a.ticks),
                title: Object.assign({ color: ink }, a.title)
            });

            charts.push(new Chart(canvas, {
                type: p.type || 'line',
                data: {
                    labels: p.labels,
                    datasets: p.sets.map((s) => Object.assign({}, s, {
                        borderColor: color(s.index),
                        backgroundColor: color(s.index)
                    }))
                },
                options: {
                    animation: false, responsive: true,
                    maintainAspectRatio: false, parsing: p.labels ? {} : false,
                    normalized: false,
                    scales: { x: axis(p.x), y: axis(p.y) },
                    interaction: { mode: 'nearest', intersect: false },
                    plugins: {
                        legend: {
                            display: p.sets.length > 1, position: 'bottom',
                            labels: { color: ink, boxWidth: 18, boxHeight: 1 }
                        }
                    }
                }
            }));
        }
    };

    const screen = () => draw(dark.matches ? 'dark' : 'light');

    dark.addEventListener('change', screen);
    addEventListener('beforeprint', () => draw('print'));
    addEventListener('afterprint', screen);
    screen();
    document.documentElement.dataset.drawn = charts.length;
})();
