using System.Text.Json;
using System.Text.RegularExpressions;

namespace AlignerOnnx.Serving;

/// <summary>Turns the request for a fine-tuning job into a job, or says what about it cannot be done.</summary>
internal sealed partial class JobIntake(ServerParts parts, ServingOptions options)
{
    /// <summary>Reads a request.</summary>
    /// <param name="body">The request.</param>
    /// <param name="mayReplaceAny">Whether the caller may publish a version of any adapter.</param>
    internal Job Read(JobRequest body, bool mayReplaceAny)
    {
        if (options.TrainingProgram is null)
        {
            throw new ApiException(StatusCodes.Status501NotImplemented, "This server cannot train: it was started without a training program.", code: "training_unavailable");
        }
        string model = RequireModel(body.Model);
        string method = Method(body.Method);
        string id = $"ftjob-{Guid.NewGuid():N}";
        return new Job
        {
            Id = id,
            Status = JobStatus.Queued,
            Model = model,
            Method = method,
            Hyperparameters = Checked((method == "dpo" ? body.Method!.Dpo : body.Method?.Supervised)?.Hyperparameters ?? body.Hyperparameters ?? new(), method),
            Suffix = Suffix(body.Suffix),
            Seed = body.Seed is null or >= 0 ? body.Seed ?? 1 : throw ApiException.Invalid("seed must not be negative.", "seed"),
            TrainingFile = RequireFile(body.TrainingFile, "training_file"),
            ValidationFile = body.ValidationFile is null ? null : RequireFile(body.ValidationFile, "validation_file"),
            Adapter = AdapterName(body, id, mayReplaceAny),
            MayReplaceAny = mayReplaceAny,
            Metadata = body.Metadata,
        };
    }

    private string RequireModel(string? model)
    {
        ServedModel found = parts.Models.Find(model ?? throw ApiException.Invalid("model is missing.", "model")) ?? throw ApiException.NoSuchModel(model);
        if (found.Parent is not null && parts.Adapters.Resolve(model)!.Kind != AdapterKind.Package)
        {
            throw ApiException.Invalid($"'{model}' is a compiled adapter; training can start only from the trained artifact.", "model");
        }
        return model;
    }

    private static string Method(JobMethod? method) => method?.Type switch
    {
        null or "supervised" when method?.Dpo is not null => throw ApiException.Invalid("method.dpo goes with the method dpo.", "method.dpo"),
        "dpo" when method.Supervised is not null => throw ApiException.Invalid("method.supervised goes with the method supervised.", "method.supervised"),
        null or "supervised" => "supervised",
        "dpo" => "dpo",
        var other => throw ApiException.Invalid($"The method '{other}' is not supported; expected supervised or dpo.", "method", "unsupported_parameter"),
    };

    private string RequireFile(string? id, string param)
    {
        StoredFile file = parts.Files.Require(id ?? throw ApiException.Invalid($"{param} is missing.", param), param);
        return file.Purpose == "fine-tune" ? file.Id : throw ApiException.Invalid($"The file '{id}' was uploaded for '{file.Purpose}'; expected the purpose fine-tune.", param);
    }

    private string AdapterName(JobRequest body, string id, bool mayReplaceAny)
    {
        string name = body.Metadata?.GetValueOrDefault("adapter") ?? $"ft:{Unusual().Replace(options.BaseName, "-")}:{body.Suffix ?? "adapter"}:{id[^8..]}";
        AdapterReference.RequireName(name, "metadata.adapter");
        JobPublishing.Require(parts.Adapters, name, mayReplaceAny);
        return name != options.BaseName ? name : throw ApiException.Invalid($"'{name}' is the base model's name.", "metadata.adapter");
    }

    private static string? Suffix(string? suffix) => suffix is null || SuffixPattern().IsMatch(suffix)
        ? suffix
        : throw ApiException.Invalid($"suffix is '{suffix}'; expected 1 to 64 letters, digits or . _ -", "suffix");

    private static JobHyperparameters Checked(JobHyperparameters asked, string method)
    {
        RequireNumber(asked.NEpochs, 1, 10_000, whole: true, "n_epochs");
        RequireNumber(asked.BatchSize, 1, 4096, whole: true, "batch_size");
        RequireNumber(asked.LearningRateMultiplier, 1e-6, 1e6, whole: false, "learning_rate_multiplier");
        RequireNumber(asked.Beta, 1e-6, 100, whole: false, "beta");
        Require(method == "dpo" || asked.Beta is null or { ValueKind: JsonValueKind.Null }, "beta", "none, since the method is supervised");
        Require(asked.Steps is null or (>= 1 and <= 10_000_000), "steps", "1 to 10,000,000");
        Require(asked.LearningRate is null or (>= 1e-9 and <= 10), "learning_rate", "1e-9 to 10");
        Require(asked.Tokens is null or (>= 1 and <= 1024), "tokens", "1 to 1024");
        Require(asked.StartLayer is null or (>= 0 and < 4096), "start_layer", "0 to 4095");
        Require(asked.MaxLength is null or (>= 2 and <= 1 << 20), "max_length", "2 to 1,048,576");
        return asked;
    }

    private static void RequireNumber(JsonElement? value, double least, double most, bool whole, string name)
    {
        bool valid = value switch
        {
            null or { ValueKind: JsonValueKind.Null } => true,
            { ValueKind: JsonValueKind.String } text => text.GetString() == "auto",
            { ValueKind: JsonValueKind.Number } number => number.GetDouble() is double found && found >= least && found <= most && (!whole || found == Math.Floor(found)),
            _ => false,
        };
        Require(valid, name, $"auto, or {least} to {most}");
    }

    private static void Require(bool valid, string name, string expected)
    {
        if (!valid)
        {
            throw ApiException.Invalid($"The hyperparameter {name} is out of its range; expected {expected}.", $"hyperparameters.{name}");
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}\z", RegexOptions.CultureInvariant)]
    private static partial Regex SuffixPattern();

    [GeneratedRegex(@"[^A-Za-z0-9._-]", RegexOptions.CultureInvariant)]
    private static partial Regex Unusual();
}
