using AlignerOnnx.Graph;
using Microsoft.AspNetCore.Http.Features;

namespace AlignerOnnx.Serving;

/// <summary>A request that is answered with an error object.</summary>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    internal int Status => status;

    internal string? Code => code;

    internal ErrorBody Body => new(new ErrorDetail(Message, TypeOf(status), param, code));

    internal static ApiException Invalid(string message, string? param, string? code = null) => new(StatusCodes.Status400BadRequest, message, param, code);

    internal static ApiException Unsupported(string field) => Invalid($"'{field}' is not supported by this server.", field, "unsupported_parameter");

    internal static ApiException NoSuchModel(string name) =>
        new(StatusCodes.Status404NotFound, $"The model '{name}' does not exist. GET /v1/models lists those that do.", "model", "model_not_found");

    /// <summary>What was sent is larger than this route takes.</summary>
    internal static ApiException TooLarge(string what, HttpContext context) => new(
        StatusCodes.Status413PayloadTooLarge, $"The {what} is larger than the {context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize} bytes that this server accepts.", code: "request_too_large");

    /// <summary>An uploaded artifact that is refused. The server's own folders are not named.</summary>
    internal static ApiException Refused(RefusedException e) => Refused(e, e.Where?[(e.Where.LastIndexOf(Path.DirectorySeparatorChar) + 1)..]);

    /// <summary>An artifact that is refused, by the name that the request has for it.</summary>
    internal static ApiException Refused(RefusedException e, string? where, string? param = null)
    {
        IEnumerable<string?> parts =
        [
            e.What,
            where is null ? null : $"where: {where}",
            e.Found is null ? null : $"found: {e.Found}",
            e.Expected is null ? null : $"expected: {e.Expected}",
            e.Remedy is null ? null : $"what to do: {e.Remedy}",
        ];
        string code = e switch
        {
            AdapterRefusedException => "adapter_refused",
            DataRefusedException => "data_refused",
            _ => "model_refused",
        };
        return new ApiException(StatusCodes.Status400BadRequest, string.Join("; ", parts.Where(part => part is not null)), param, code);
    }

    private static string TypeOf(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };
}
