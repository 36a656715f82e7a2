/** The API reference: Swagger UI over the service's own OpenAPI document. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-bundle.js";

// BaseLayout is without the bar on top, which is another product's. By default a validator on the internet is asked.
SwaggerUI({
  url: "json",
  dom_id: "#reference",
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
