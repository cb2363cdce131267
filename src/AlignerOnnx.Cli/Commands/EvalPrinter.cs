using System.Globalization;

namespace AlignerOnnx.Cli;

/// <summary>The measures of <c>aligner eval</c> as a table: only the columns that were asked for.</summary>
internal static class EvalPrinter
{
    private static readonly (string Heading, Func<EvalCommand.Result, string?> Cell)[] Columns =
    [
        ("loss", result => Number(result.Loss)),
        ("perplexity", result => Number(result.Perplexity)),
        ("tokens", result => result.Tokens?.ToString(CultureInfo.InvariantCulture)),
        ("preferred", result => Share(result.Preference?.Accuracy)),
        ("gained", result => Share(result.Preference?.GainAccuracy)),
        ("margin", result => Number(result.Preference?.Margin)),
        ("exact", result => Share(result.Answers?.ExactMatch)),
        ("JSON", result => Share(result.Answers?.Json)),
        ("in form", result => Share(result.Answers?.Form)),
        ("pattern", result => Share(result.Answers?.Pattern)),
        ("knowledge", result => Share(result.Knowledge?.Rate)),
        ("form", result => Share(result.Form?.Form)),
    ];

    public static void Show(CommandOutput output, IReadOnlyList<EvalCommand.Result> results)
    {
        (string Heading, Func<EvalCommand.Result, string?> Cell)[] shown = [.. Columns.Where(column => results.Any(result => column.Cell(result) is not null))];
        output.Table(["adapter", .. shown.Select(column => column.Heading)], results.Select(result => (string[])[result.Adapter ?? "(base)", .. shown.Select(column => column.Cell(result) ?? "-")]));
    }

    private static string? Number(double? value) => value?.ToString("F4", CultureInfo.InvariantCulture);

    private static string? Share(double? value) => value is double share ? string.Create(CultureInfo.InvariantCulture, $"{100 * share:F1} %") : null;
}
